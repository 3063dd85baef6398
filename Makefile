# Two commands on a fresh machine: `make demo` and `make test`.
# PYTHON chooses the interpreter, 3.11 or later.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: help demo test lint bench clean

help:  ## Say what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

demo: $(VENV)/.installed  ## Fine-tune, judge and export the quickstart model
	$(BIN)/python -m sftkeras.train --config examples/quickstart.yaml --overwrite true

test: $(VENV)/.installed-dev lint  ## Run lint, types and all tests
	$(BIN)/python -m pytest

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy sftkeras

bench: $(VENV)/.installed  ## Compare with Hugging Face Trainer and plain KerasHub, in an environment of its own
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/pip install --quiet "torch==2.13.0" "transformers~=5.23" accelerate datasets safetensors
	$(BIN)/python benchmarks/train_vs_peers.py --peer_python .venv-bench/bin/python

clean:  ## Remove the environments; runs, exports and the cache stay
	rm -rf .venv .venv-bench

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "sftkeras needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: setup.cfg pyproject.toml | $(VENV)/.installed
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@
