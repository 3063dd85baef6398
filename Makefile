# Two commands on a fresh machine: `make demo` and `make test`.
# PYTHON chooses the interpreter, 3.11 or later.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Test processes at once. A file of tests stays in one of them, with what its tests share; the order is that of
# tests/conftest.py.
WORKERS ?= 3
# Bytecode is kept, whatever the environment says: tests start many processes, which would compile all modules anew.
PYTEST = PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder
QUICKSTART := examples/quickstart.yaml
# The quickstart's encoder as a TF-Hub module, published once into the cache.
MODULE := $(or $(SFTKERAS_CACHE),$(HOME)/.cache/sftkeras)/published/all-minilm-l6-v2
PEER := --peer_python .venv-bench/bin/python

.PHONY: help demo desk check quick test lint bench clean

help:  ## List the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

demo: $(VENV)/.installed  ## Fine-tune, evaluate and export the quickstart model
	test -e "$(MODULE)/saved_model.pb" || $(BIN)/python -m sftkeras.publish \
	    --handle "$$(sed -n 's/^  handle: //p' $(QUICKSTART))" --output "$(MODULE)"
	$(BIN)/python -m sftkeras.train --config $(QUICKSTART) --backbone.handle "$(MODULE)" --overwrite true

# Models that are there are not trained again. The page and the model server end together.
desk: $(VENV)/.installed  ## Train the models of the help desk, then open its chat page
	$(BIN)/python -m examples.prepare.construction_faq
	$(BIN)/python -m examples.prepare.help_desk
	for name in desk-intent desk-faq desk-answer; do test -d saved_models/$$name || \
	    $(BIN)/python -m sftkeras.train --config examples/$$name.yaml || exit 1; done
	$(BIN)/python -m sftkeras.serve --models saved_models & trap "kill $$!" EXIT INT TERM; \
	    $(BIN)/python -m examples.customer_service.page

test: $(VENV)/.installed-dev lint  ## Run lint, types and all tests
	$(PYTEST)

check: $(VENV)/.installed-dev  ## Run lint, types and the tests that start no processes: minutes
	$(MAKE) --jobs=2 --no-print-directory lint quick

# Tests that wait for no processes keep a core busy each, and each worker imports TensorFlow.
quick: WORKERS = 2
quick: $(VENV)/.installed-dev
	$(PYTEST) -m "not processes"

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy sftkeras examples benchmarks

bench: $(VENV)/.installed  ## Compare with PyTorch, Hugging Face Trainer and FastAPI; end with the README's claims
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/pip install --quiet "torch==2.13.0" "transformers~=5.23" accelerate datasets safetensors "sentence-transformers~=6.2" fastapi "uvicorn[standard]"
	test -d saved_models/movie-sentiment || $(BIN)/python -m sftkeras.train --config $(QUICKSTART) --training.epochs 1
	$(BIN)/python benchmarks/steps_vs_peers.py $(PEER)
	$(BIN)/python benchmarks/train_vs_peers.py $(PEER)
	$(BIN)/python benchmarks/serve_vs_peers.py $(PEER) --model saved_models/movie-sentiment
	$(BIN)/python benchmarks/predict_vs_peers.py $(PEER)
	$(BIN)/python benchmarks/claims.py

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
