"""Answers that a reader should look at: the worst ones, and some before and after fine-tuning side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

from sftkeras.evaluation.baselines import Baselines
from sftkeras.evaluation.report.mistakes import NOT_WRONG, cut, row_facts, worst_rows
from sftkeras.evaluation.statistics.generated_texts import text_figures
from sftkeras.tasks.chat.scores import EvaluatedAnswers

SAMPLES = 8


def worst_answers(evaluated: EvaluatedAnswers, limit: int) -> list[dict[str, Any]]:
    """Describes at most `limit` answers, those least like their references first; none that equals its reference."""
    figures = text_figures(evaluated.facts)
    badness = np.where(figures["exact_match"] == 1, NOT_WRONG, 1 - figures["chrf"])
    badness = np.where(np.isfinite(badness), badness, NOT_WRONG)  # no answer was generated
    return [
        row_facts(evaluated, row)
        | {
            "truth": cut(evaluated.references[row]),
            "answer": cut(evaluated.answers[row] or ""),
            "chrf": figures["chrf"][row],
            "ended": evaluated.ended is None or bool(evaluated.ended[row]),
        }
        for row in worst_rows(badness, limit)
    ]


def samples_side_by_side(evaluated: EvaluatedAnswers, baselines: Baselines) -> list[dict[str, Any]]:
    """Describes some rows, evenly spread: the prompt, the reference, and the answers of both models.

    Returns:
        Of each row: what `row_facts` gives, `reference`, `answer`, and `untuned`, which is None where the untuned model
        was not evaluated.
    """
    untuned = untuned_of(baselines)
    return [
        row_facts(evaluated, row)
        | {
            "reference": cut(evaluated.references[row]),
            "untuned": None if untuned is None else cut(untuned.answers[row] or ""),
            "answer": cut(evaluated.answers[row] or ""),
        }
        for row in evaluated.spread_rows(SAMPLES)
    ]


def untuned_of(baselines: Baselines) -> EvaluatedAnswers | None:
    """Returns the same rows with the answers of the model before it learned; None where it was not evaluated."""
    return next((one.evaluated for one in baselines.fitted if one.key == "untuned"), None)
