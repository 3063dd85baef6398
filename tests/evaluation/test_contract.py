"""A task that defines only what it must gets a whole report, and what it adds is shown without a template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from drawn_once import drawn_once
from evaluated_rows import columns_of

from sftkeras.config import ReportConfig
from sftkeras.evaluation import Baseline, Baselines, EvaluatedRows, Evaluation, Metric, RunFacts, Tally, write_report
from sftkeras.evaluation.pictures import new_axes
from sftkeras.evaluation.report.mistakes import row_facts


@pytest.fixture(scope="module", autouse=True)
def quickly_drawn() -> Iterator[None]:
    with drawn_once():
        yield


@dataclass(frozen=True, eq=False)
class EvaluatedLengths(EvaluatedRows):
    lengths: np.ndarray

    def in_words(self, row: int) -> tuple[str, str]:
        return str(len(self.texts[row])), str(self.lengths[row])


class LengthsEvaluation(Evaluation):
    task = "lengths"
    label_kind = "lengths"
    headline = "found"
    outputs = ("length",)
    metrics: ClassVar[Mapping[str, Metric]] = {"found": Metric("Lengths found", "share of lengths that are right")}
    shares_of_rows = ("found",)

    def evaluated(
        self, rows: dict[str, Any], truth: Any, predictions: dict[str, np.ndarray], label_names: tuple[str, ...]
    ) -> EvaluatedLengths:
        return EvaluatedLengths(**rows, lengths=predictions["length"])

    def tally(self, evaluated: EvaluatedLengths) -> Tally:
        from scipy.sparse import csr_array

        right = [[float(len(text) == length)] for text, length in zip(evaluated.texts, evaluated.lengths, strict=True)]
        return Tally(csr_array(right), lambda sums: {"found": sums[..., 0] / len(evaluated)})


class MoreEvaluation(LengthsEvaluation):
    cards = ("found",)
    descriptions: ClassVar[Mapping[str, tuple[str, str]]] = {"ruler": ("The ruler", "A line as long as a text.")}

    def compared(self, evaluated: EvaluatedLengths, baseline: EvaluatedLengths) -> dict[str, Any]:
        return {"same": int((evaluated.lengths == baseline.lengths).sum())}

    def mistakes(self, evaluated: EvaluatedLengths, limit: int) -> list[dict[str, Any]]:
        truth, answer = evaluated.in_words(0)
        return [row_facts(evaluated, 0) | {"truth": truth, "answer": answer}]

    def figures(self, evaluated: EvaluatedLengths, report: dict[str, Any]) -> dict[str, Any]:
        return {"ruler": new_axes(2, 1)[0]}


def report_of(folder: Path, evaluation: Evaluation) -> tuple[dict[str, Any], str, str]:
    rows = columns_of(20)
    lengths = np.array([len(text) for text in rows["texts"]])
    lengths[0] = 1
    evaluated = evaluation.evaluated(rows, None, {"length": lengths}, ())
    other = evaluation.evaluated(rows, None, {"length": np.ones(20, int)}, ())
    baselines = Baselines((Baseline("one", "always one", other, 0, 0.0),))
    report = write_report(folder, evaluation, evaluated, RunFacts(), baselines, ReportConfig(bootstrap=20))
    return report, (folder / "report.html").read_text("utf-8"), (folder / "report.md").read_text("utf-8")


def test_figures_alone_make_a_report(tmp_path: Path) -> None:
    report, *pages = report_of(tmp_path, LengthsEvaluation({}))
    assert (report["task"], report["headline"]["value"], report["metrics"]) == ("lengths", 0.95, {"found": 0.95})
    assert report["baselines"]["one"]["gain"] == 0.95
    assert report["mistakes"] == []
    for page in pages:
        assert "95.0%" in page
        assert "always one" in page
        assert "share of lengths that are right" in page


def test_what_a_task_adds_is_shown_without_a_template(tmp_path: Path) -> None:
    report, html, markdown = report_of(tmp_path, MoreEvaluation({}))
    assert report["baselines"]["one"]["same"] == 1
    assert report["pictures"]["ruler"] == "pictures/ruler.png"
    for page in (html, markdown):
        assert "The ruler" in page
        assert report["mistakes"][0]["text"] in page
        assert "reviews.csv:2" in page
