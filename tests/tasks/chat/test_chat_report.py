"""The report of a chat model: what was generated, before and after side by side, and what was lost."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from answered_rows import conversation, predictions_of, rows_of, support_rows
from rich.console import Console

from sftkeras.config import ReportConfig
from sftkeras.conversations import Conversation
from sftkeras.evaluation import Baseline, Baselines, RunFacts, print_summary, write_report
from sftkeras.tasks.chat.spec import SPEC

OPTIONS = ReportConfig(bootstrap=50, mistakes=5)


def text_losses(loss: float) -> dict[str, np.ndarray]:
    """Losses of three windows of a retention text."""
    return {"text_loss": loss * np.array([90, 100, 110.0]), "text_tokens": np.full(3, 100), "text_hits": np.full(3, 40)}


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[Path, dict, str]:
    """The folder of a report, the report, and what the terminal shows of it."""
    folder = tmp_path_factory.mktemp("report")
    evaluation = SPEC.evaluation({"max_new_tokens": 32, "retention_text": "books/novel.txt"})
    texts = support_rows(24)
    texts[0] = conversation("<script>alert(1)</script> | a?", "No <b>script</b> runs | here.")
    references = [Conversation.from_json(text).last_answer for text in texts]
    every_other = [reference if row % 2 else None for row, reference in enumerate(references)]
    tuned = [answer and f"{answer[:-6]}Sunday." for answer in every_other]
    untuned = [answer and "As an AI model I cannot know that, but let me tell you a story" for answer in every_other]
    tuned[0] = untuned[0] = "<script>alert(2)</script>"

    def evaluated(answers, **predictions):
        return evaluation.evaluated(rows_of(texts), None, predictions_of(answers) | predictions, ())

    def training(rows):
        return texts[12:], None

    ours = evaluation.with_training(evaluated(tuned, **text_losses(1.1)), training, 1)
    before = Baseline(
        "untuned", evaluation.untuned, evaluated(untuned, loss=np.full(24, 12.0), **text_losses(1.0)), 0, 1.0
    )
    simple = evaluation.baselines(lambda rows: ([texts[row] for row in rows], None), [None] * 12, ours, 0)
    baselines = Baselines((*simple.fitted, before))
    facts = RunFacts(name="support", examples={"train": 12, "test": 24}, rows="00" * 16)
    report = write_report(folder, evaluation, ours, facts, baselines, OPTIONS)
    console = Console(record=True, width=120, file=(folder / "terminal.txt").open("w"))
    print_summary(report, evaluation, console=console)
    return folder, report, console.export_text()


def test_the_report_says_how_many_answers_were_generated(written):
    folder, report, terminal = written
    assert report["generated"]["rows"] == 13
    assert report["examples"]["test"] == 24
    for page in ((folder / "report.html").read_text(), (folder / "report.md").read_text(), terminal):
        assert "answers to 13 of 24 test rows" in page


def test_the_headline_compares_answers_with_those_of_every_baseline(written):
    _, report, _ = written
    assert report["headline"]["metric"] == "chrf"
    assert set(report["baselines"]) == {"frequent_answer", "nearest_answer", "untuned"}
    assert report["baselines"]["untuned"]["gain"] > 0
    assert report["baselines"]["untuned"]["more_than_noise"]
    assert report["baselines"]["untuned"]["metrics"]["perplexity"] == pytest.approx(np.exp(3), rel=1e-4)
    assert report["metrics"]["seen_in_training"] == pytest.approx(0.5)


def test_samples_stand_side_by_side(written):
    folder, report, terminal = written
    assert len(report["samples"]) == 8
    for sample in report["samples"]:
        assert sample["untuned"] != sample["answer"] or sample["line"] == 1
        assert sample["reference"]
    assert "As an AI model" in terminal
    assert "fine-tuned" in terminal
    assert "As an AI model" in (folder / "report.md").read_text()


def test_what_was_lost_is_a_paired_comparison(written):
    folder, report, terminal = written
    retention = report["retention"]
    assert retention["text"] == "novel.txt"
    assert retention["tokens"] == 300
    assert retention["before"] == pytest.approx(np.exp(1.0), rel=1e-4)
    assert retention["after"] == pytest.approx(np.exp(1.1), rel=1e-4)
    low, high = retention["interval"]
    assert low <= retention["ratio"] <= high
    assert report["metrics"]["retention_perplexity"] == pytest.approx(retention["after"])
    assert "novel.txt" in terminal
    assert "What was lost" in (folder / "report.html").read_text()


def test_pages_show_texts_and_run_nothing_of_them(written):
    folder, _, _ = written
    html, markdown = (folder / "report.html").read_text(), (folder / "report.md").read_text()
    assert "<script>" not in html + markdown
    assert "&lt;script&gt;alert(2)&lt;/script&gt;" in html
    assert json.loads((folder / "report.json").read_text())["samples"][0]["answer"] == "<script>alert(2)</script>"


def test_a_report_without_baselines_and_retention_text_is_whole(tmp_path):
    evaluation = SPEC.evaluation({"max_new_tokens": 32})
    texts = support_rows(3)
    ours = evaluation.evaluated(rows_of(texts), None, predictions_of(["Yes."] * 3), ())
    report = write_report(tmp_path, evaluation, ours, RunFacts(), Baselines(), OPTIONS)
    assert report["retention"] is None
    assert report["samples"][0]["untuned"] is None
    assert "What was lost" not in (tmp_path / "report.html").read_text()
    print_summary(report, evaluation, console=Console(file=(tmp_path / "terminal.txt").open("w")))
