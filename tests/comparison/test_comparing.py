"""Runs side by side: what differs in settings and figures, by how much, and whether that may be chance."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_once import drawn_once
from rich.console import Console

import sftkeras.compare
from sftkeras.comparison import Comparison, compare
from sftkeras.config import ReportConfig
from sftkeras.errors import SFTError
from sftkeras.evaluation import Baselines, RunFacts, write_report
from sftkeras.evaluation.statistics.resampled import DRAWS, FILE, read_resampled
from sftkeras.tasks.classification.evaluation import OneLabelEvaluation
from sftkeras.tasks.classification.scores import EvaluatedLabels

ROWS = 400
TRUTH = np.random.default_rng(0).integers(2, size=ROWS)
SAME, OTHER = "0123456789abcdef" * 4, "fedcba9876543210" * 4

Made = Callable[..., Path]


@pytest.fixture(scope="module", autouse=True)
def quickly_drawn() -> Iterator[None]:
    with drawn_once():
        yield


def answers(right: int, seed: int) -> np.ndarray:
    """Probabilities of a model that is right on `right` of the rows."""
    wrong = np.random.default_rng(seed).permutation(ROWS)[right:]
    given = TRUTH.copy()
    given[wrong] = 1 - given[wrong]
    return np.where(given[:, None] == np.arange(2), 0.8, 0.2).astype(np.float32)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Makes the report of a model in a folder of its own."""

    def make(
        folder: str, right: int = 300, *, seed: int = 0, rows: str = SAME, bootstrap: int = 20, **facts: Any
    ) -> Path:
        places = [("test.csv", row + 2) for row in range(ROWS)]
        texts = [f"text {row}" for row in range(ROWS)]
        evaluated = EvaluatedLabels(texts, None, places, ("bad", "good"), TRUTH, answers(right, seed))
        config = {"name": folder, "optimizer": {"learning_rate": 5e-5}, "data": {"train": "a.csv"}, "runs": "runs"}
        run = replace(RunFacts(name=folder, config=config, rows=rows, seed=seed, examples={"train": 90}), **facts)
        options = ReportConfig(bootstrap=bootstrap, mistakes=1)
        write_report(tmp_path / folder, OneLabelEvaluation({}), evaluated, run, Baselines(), options)
        return tmp_path / folder

    return make


def history(*losses: float) -> list[dict[str, Any]]:
    return [
        {"epoch": number + 1, "loss": loss, "val_loss": loss + 0.1, "accuracy": 1 - loss, "val_accuracy": 0.9 - loss}
        for number, loss in enumerate(losses)
    ]


def said(comparison: Comparison) -> str:
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(comparison)
    return console.export_text()


def test_differences_on_the_same_rows_are_paired(made: Made) -> None:
    first, better = made("first", 300, seed=1), made("better", 330, seed=2)
    found = compare([first, better])
    assert found.paired == (True, True)
    assert found.notes == ()
    assert next(iter(found.figures)) == found.headline == "accuracy"
    one, other = found.figures["accuracy"]
    assert (one.value, one.difference, one.outcome) == (0.75, None, None)
    assert (other.value, other.difference, other.outcome) == (0.825, pytest.approx(0.075), "better")
    low, high = other.difference_interval or (0, 0)
    # By the textbook, with the rows on which the two differ.
    right, others_right = (answers(n, s).argmax(1) == TRUTH for n, s in ((300, 1), (330, 2)))
    spread = 1.96 * (others_right.astype(int) - right).std() / np.sqrt(ROWS)
    assert (low, high) == (pytest.approx(0.075 - spread, abs=0.01), pytest.approx(0.075 + spread, abs=0.01))
    assert "82.5%  +7.5 (+" in said(found)
    assert ", better" in said(found)


def test_a_model_compared_with_itself_differs_by_nothing_whatever_the_seed_of_the_report(made: Made) -> None:
    [_, again] = compare([made("one", 300, seed=0), made("two", 300, seed=0)]).figures["accuracy"]
    assert (again.difference, again.difference_interval, again.outcome) == (0, (0, 0), "unsure")


def test_a_lower_error_is_better(made: Made) -> None:
    figures = compare([made("first", 200, seed=1), made("better", 390, seed=2)]).figures
    assert (figures["brier"][1].difference or 0) < 0
    assert figures["brier"][1].outcome == "better"


def test_other_rows_are_named_and_not_paired(made: Made) -> None:
    first, same, other = made("first", seed=1), made("same", seed=1), made("other", seed=1, rows=OTHER)
    found = compare([first, same, other])
    assert found.paired == (True, True, False)
    [note] = found.notes
    assert note.startswith("other was evaluated on other test rows (400) than first (400)")
    paired, independent = (found.figures["accuracy"][number].difference_interval for number in (1, 2))
    assert paired == (0, 0)
    # Right on the same three quarters of the rows: independent draws know nothing of it.
    assert independent == (pytest.approx(-0.06, abs=0.015), pytest.approx(0.06, abs=0.015))


def test_reports_without_resampled_figures_say_how_to_get_them(made: Made) -> None:
    run, plain = made("run", seed=1, bootstrap=0), made("plain", 310, seed=2)
    (run / "config.yaml").touch()
    found = compare([run, plain])
    assert found.paired == (None, None)
    assert (found.figures["accuracy"][1].difference, found.figures["accuracy"][1].outcome) == (
        pytest.approx(0.025),
        None,
    )
    [note] = found.notes
    assert f"kept in {run}" in note
    assert f"python -m sftkeras.evaluate --model {run} --output FOLDER" in note


def test_settings_that_differ_are_shown_and_names_are_not(made: Made) -> None:
    config = {"name": "two", "optimizer": {"learning_rate": 1e-4}, "data": {"train": "a.csv"}, "runs": "elsewhere"}
    found = compare([made("one"), made("two", config=config)])
    assert found.settings == {"optimizer.learning_rate": (5e-5, 1e-4)}
    assert "No setting that could matter differs." in said(compare([made("one"), made("three")]))


def test_models_of_one_name_are_told_apart_by_their_folders(made: Made) -> None:
    one = made("one")
    found = compare([one, one / "report.json"])
    assert found.names == (str(one), str(one))


def test_the_pages_show_all_and_are_written_whole(made: Made, tmp_path: Path) -> None:
    name = "<script>_x_</script>"
    run = made("first", 300, seed=1, name=name, history=history(0.5, 0.3), seconds={"train": 12.0})
    found = compare([run, made("second", 340, seed=2, history=history(0.4, 0.2, 0.1))])
    folder = found.save(tmp_path / "out" / "comparison")
    page = (folder / "comparison.html").read_text()
    assert "<script>" not in page
    assert "<svg" in page
    assert "Accuracy" in page
    assert "&lt;script&gt;\\_x\\_&lt;/script&gt;" in (folder / "comparison.md").read_text()
    assert "![Learning curves](learning-curves.png)" in (folder / "comparison.md").read_text()
    assert (folder / "learning-curves.png").read_bytes().startswith(b"\x89PNG")
    written = json.loads((folder / "comparison.json").read_text())
    assert written["names"] == [name, "second"]
    assert written["figures"]["accuracy"][1]["outcome"] == "better"
    assert written["facts"]["seconds of training"] == [12.0, None]


def test_it_shows_itself_in_a_notebook(made: Made) -> None:
    shown = compare([made("first", history=history(0.5)), made("second")])._repr_html_()
    assert '<img alt="Loss' in shown
    assert re.search(r"<th[^>]*>Accuracy</th>", shown)
    assert "<html" not in shown


def test_without_epochs_there_is_no_picture(made: Made, tmp_path: Path) -> None:
    folder = compare([made("first"), made("second")]).save(tmp_path / "comparison")
    assert not (folder / "learning-curves.png").exists()
    assert "<svg" not in (folder / "comparison.html").read_text()


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_are_refused(made: Made, count: int) -> None:
    with pytest.raises(SFTError, match=f"SFT618  runs to compare: {count}") as raised:
        compare([made("one")][:count])
    assert raised.value.code == "SFT618"


def test_a_folder_without_a_report_is_named(made: Made, tmp_path: Path) -> None:
    unfinished, damaged = tmp_path / "unfinished", tmp_path / "damaged"
    for folder in (unfinished, damaged):
        folder.mkdir()
    (unfinished / "config.yaml").touch()
    (damaged / "report.json").write_text("[]")
    first = made("one")
    for folder, problem in (
        (tmp_path / "nowhere", "there is no such folder"),
        (tmp_path, "there is no report.json"),
        (unfinished, "the run is not finished: it has no report.json yet"),
        (damaged, "report.json cannot be read: it is no report of sftkeras"),
    ):
        with pytest.raises(SFTError, match=re.escape(f"SFT619  {folder}: nothing to compare here ({problem})")):
            compare([first, folder])


def test_models_of_several_tasks_are_refused(made: Made) -> None:
    one, other = made("one"), made("other")
    report = json.loads((other / "report.json").read_text()) | {"task": "regression", "label_kind": "number"}
    (other / "report.json").write_text(json.dumps(report))
    with pytest.raises(SFTError, match=r"SFT620  .*other is a report of regression, and .*one one of classification"):
        compare([one, other])


def test_the_module_of_the_command_is_called_as_the_function(made: Made) -> None:
    assert sftkeras.compare([made("one"), made("two")]).names == ("one", "two")  # type: ignore[operator]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no archive"])
def test_a_damaged_file_of_resampled_figures_counts_as_none(made: Made, content: bytes) -> None:
    folder = made("one")
    known = read_resampled(folder)
    assert known is not None
    assert known.figures["accuracy"].shape == (DRAWS,)
    (folder / FILE).write_bytes(content)
    assert read_resampled(folder) is None


def test_a_report_that_is_made_again_leaves_no_figures_of_the_one_before(made: Made) -> None:
    folder = made("one")
    content = (folder / FILE).read_bytes()
    made("one")
    assert (folder / FILE).read_bytes() == content
    made("one", bootstrap=0)
    assert not (folder / FILE).exists()
