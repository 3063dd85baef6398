"""The notebooks, run in a kernel as they stand, with a tiny encoder in place of the one they name."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import forked
import nbformat
import pytest
from jupyter_client.provisioning import local_provisioner
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples/notebooks"
# Each with the name of its run and the labels it predicts.
NOTEBOOKS = {
    "fine_tune.ipynb": ("tickets", ("delivery", "payment", "refund", "account")),
    "fine_tune.zh.ipynb": ("tickets-zh", ("物流", "付款", "退款", "账号")),
}

# Its kernel is a whole start, with what importing TensorFlow says; those of the others are forked.
STARTED = "fine_tune.ipynb"

# The first cell of the kernel: prediction processes that need not import TensorFlow, and pictures that are drawn once.
# What a forked kernel has imported that looks at where it prints is imported again.
QUICK = f"""
import sys
for module in [name for name in sys.modules if name.partition(".")[0] in ("sftkeras", "rich")]:
    del sys.modules[module]
sys.path.insert(0, {str(ROOT / "tests")!r})
from forked import forked_predictions
from drawn_once import drawn_once
within = [forked_predictions(), drawn_once()]
for each in within:
    each.__enter__()
"""


def fork_kernel(command: list[str], **options: Any) -> forked.Process:
    """Starts a kernel where `launch_kernel` of Jupyter would."""
    command = [sys.executable, *command[1:]]
    return forked.Process(command, cwd=options["cwd"], env=options["env"], start_new_session=True)


def read(name: str) -> NotebookNode:
    return nbformat.read(FOLDER / name, as_version=nbformat.NO_CONVERT)


def test_every_notebook_is_run_here() -> None:
    assert {path.name for path in FOLDER.glob("*.ipynb")} == set(NOTEBOOKS)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_is_committed_without_outputs(name: str) -> None:
    notebook = read(name)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def test_both_languages_do_the_same() -> None:
    english, chinese = ([(cell.id, cell.cell_type) for cell in read(name).cells] for name in NOTEBOOKS)
    assert english == chinese


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_runs_from_the_first_cell_to_the_last(
    name: str, tmp_path: Path, tiny_bert_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, labels = NOTEBOOKS[name]
    shutil.copytree(ROOT / "examples/data", tmp_path / "data")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("SFTKERAS_NOTEBOOK_BACKBONE", str(tiny_bert_folder))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv(forked.SOCKET, forked.forked_from())
    notebook = read(name)
    if name != STARTED:
        monkeypatch.setattr(local_provisioner, "launch_kernel", fork_kernel)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(QUICK, id="quick"))
    place = {"metadata": {"path": str(tmp_path / "notebooks")}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=place).execute()  # raises where a cell fails
    outputs = {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    assert not outputs["install"]  # left out by its tag

    assert html(outputs["report"]).startswith("<iframe")
    assert "&lt;svg" in html(outputs["report"])  # a picture of the page inside the frame
    assert "<table" in html(outputs["compare"])
    assert "data:image/png" in html(outputs["compare"])
    for cell in ("predict", "load"):
        assert any(label in text(outputs[cell]) for label in labels)

    assert text(outputs["tune"]).count("epoch 10/10  ") == 1  # the line; the bar has one space
    assert "10/10 \x1b" in text(outputs["tune"])  # the bar
    assert not outputs["second"]  # verbose=False
    everything = "".join(map(text, outputs.values()))
    for noise in ("ipywidgets", "INFO:tensorflow", "Warning:"):
        assert noise not in everything.replace("Warning: SFT", "")
    log = (tmp_path / "notebooks/runs" / run / "log.txt").read_text("utf-8")
    assert "epoch 10/10  " in log


def html(outputs: list[NotebookNode]) -> str:
    """What is shown as HTML."""
    return "".join(output.data.get("text/html", "") for output in outputs if "data" in output)


def text(outputs: list[NotebookNode]) -> str:
    """What is printed or shown, as text."""
    return "".join(output.data.get("text/plain", "") if "data" in output else output.text for output in outputs)
