"""Hidden words: perplexity is that of the losses, by how frequent tokens are, and against knowing frequencies alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sftkeras.config import ReportConfig
from sftkeras.errors import SFTError
from sftkeras.evaluation import RunFacts, write_report
from sftkeras.tasks.masked_lm.baselines import fit_mask_baselines
from sftkeras.tasks.masked_lm.evaluation import MasksEvaluation
from sftkeras.tasks.masked_lm.scores import (
    EvaluatedMasks,
    masks_tally,
    score_masks,
    worst_guesses,
)

EVALUATION = MasksEvaluation({"vocabulary": 50})
HIDDEN = np.array([["the", "film", ""], ["", "", ""], ["the", "a", "the"]])
LOSS = np.array([[0.5, 3.0, 0.0], [0.0, 0.0, 0.0], [0.25, 2.0, 1.0]], np.float32)
TOKENS = np.array(
    [
        [["the", "a"], ["plot", "film"], ["", ""]],
        [["x", "y"], ["", ""], ["", ""]],  # a text with a mask of its own
        [["the", "a"], ["the", "plot"], ["a", "the"]],
    ]
)
PROBABILITY = np.array(
    [
        [[0.6, 0.1], [0.5, 0.05], [0, 0]],
        [[0.9, 0.1], [0, 0], [0, 0]],
        [[0.8, 0.1], [0.7, 0.2], [0.6, 0.4]],
    ],
    np.float32,
)
ROWS = {
    "texts": ["the film", "[MASK]", "the a the"],
    "pairs": None,
    "places": [("a.txt", 1), ("a.txt", 2), ("b.txt", 7)],
}
LOSSES = [0.5, 3.0, 0.25, 2.0, 1.0]


def evaluated(**changes: np.ndarray) -> EvaluatedMasks:
    answers = {"token": TOKENS, "probability": PROBABILITY, "hidden": HIDDEN, "loss": LOSS} | changes
    return EVALUATION.evaluated(ROWS, None, answers, ())


def test_perplexity_and_hits_are_those_of_all_masked_tokens() -> None:
    metrics = score_masks(evaluated()).metrics
    assert metrics["perplexity"] == pytest.approx(np.exp(np.mean(LOSSES)))
    assert metrics["masked_accuracy"] == pytest.approx(2 / 5)
    assert metrics["masked_accuracy_5"] == pytest.approx(4 / 5)


def test_figures_of_resampled_texts_are_sums_over_texts() -> None:
    tally = masks_tally(evaluated())
    sums = np.asarray(tally.rows[[0, 0, 2]].sum(axis=0))
    expected = np.mean([0.5, 3.0, 0.5, 3.0, 0.25, 2.0, 1.0])
    assert tally.figures(sums)["perplexity"] == pytest.approx(np.exp(expected))
    assert np.isnan(tally.figures(np.asarray(tally.rows[[1]].sum(axis=0)))["perplexity"])


def test_tokens_are_grouped_by_how_often_they_are_masked() -> None:
    (groups,) = score_masks(evaluated()).breakdowns.values()
    assert [(one["group"], one["support"]) for one in groups] == [("once", 2), ("2 to 9 times", 3)]
    assert groups[0]["metrics"]["perplexity"] == pytest.approx(np.exp(2.5))
    assert groups[1]["metrics"]["masked_accuracy"] == pytest.approx(2 / 3)


def test_the_baseline_knows_how_frequent_tokens_are_and_nothing_else() -> None:
    (baseline,) = fit_mask_baselines(9, evaluated()).fitted
    elsewhere, nowhere = 2 / (4 + 3), 2 / (4 + 2) / (50 - 2)
    shares = np.array([elsewhere, nowhere, elsewhere, nowhere, elsewhere])
    figures = score_masks(baseline.evaluated).metrics
    assert figures["perplexity"] == pytest.approx(np.exp(-np.log(shares).mean()))
    assert figures["masked_accuracy"] == pytest.approx(3 / 5)
    assert baseline.training_rows == 9


def test_the_most_confident_wrong_token_is_shown_first() -> None:
    first, *others = worst_guesses(evaluated(), 2)
    assert (first["truth"], first["answer"], first["file"], first["line"]) == ("a", "the", "b.txt", 7)
    assert first["probability"] == pytest.approx(0.7)
    assert first["truth_probability"] == pytest.approx(np.exp(-2.0))
    assert [one["answer"] for one in others] == ["a"]
    assert evaluated().in_words(0) == ("the film", "the plot")


def test_texts_without_a_masked_word_cannot_be_evaluated() -> None:
    with pytest.raises(SFTError, match="SFT617"):
        evaluated(hidden=np.full((3, 3), ""))


def test_losses_that_are_not_finite_are_named_by_place() -> None:
    with pytest.raises(SFTError, match=r"SFT603.*b\.txt line 7"):
        evaluated(loss=np.where(LOSS == 2.0, np.nan, LOSS))


def test_the_report_has_the_groups_and_the_baseline(tmp_path: Path) -> None:
    baselines = fit_mask_baselines(9, evaluated())
    report = write_report(tmp_path, EVALUATION, evaluated(), RunFacts(), baselines, ReportConfig(bootstrap=30))
    assert json.loads((tmp_path / "report.json").read_text("utf-8")) == report
    assert report["headline"]["metric"] == "perplexity"
    assert report["headline"]["higher_is_better"] is False
    assert report["baselines"]["frequencies"]["gain"] > 0
    for page in ("report.md", "report.html"):
        shown = (tmp_path / page).read_text("utf-8")
        assert "2 to 9 times" in shown
        assert "Perplexity" in shown
        assert "wrong label" not in shown
