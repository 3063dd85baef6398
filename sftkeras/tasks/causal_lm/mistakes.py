"""Texts that a reader should look at: the hardest to predict, and some continued before and after fine-tuning."""

from __future__ import annotations

from typing import Any

import numpy as np

from sftkeras.evaluation.baselines import Baselines
from sftkeras.evaluation.report.mistakes import NOT_WRONG, cut, row_facts, worst_rows
from sftkeras.tasks.causal_lm.scores import EvaluatedTexts

SAMPLES = 8


def hardest_texts(evaluated: EvaluatedTexts, limit: int) -> list[dict[str, Any]]:
    """Describes at most `limit` texts, those of the highest perplexity first."""
    perplexities = evaluated.perplexities
    return [
        row_facts(evaluated, row) | {"perplexity": perplexities[row]}
        for row in worst_rows(np.where(np.isnan(perplexities), NOT_WRONG, perplexities), limit)
    ]


def continuations_side_by_side(evaluated: EvaluatedTexts, untuned: EvaluatedTexts | None) -> list[dict[str, Any]]:
    """Describes some texts: the beginning that was read, how both models continued it, and how it goes on.

    Returns:
        Of each row: what `row_facts` gives, `beginning`, `reference`, `answer`, and `untuned`, which is None where the
        untuned model was not evaluated.
    """
    return [
        row_facts(evaluated, row)
        | {
            "beginning": cut(evaluated.beginnings[row]),
            "reference": cut(evaluated.texts[row].removeprefix(evaluated.beginnings[row])),
            "untuned": None if untuned is None else cut(untuned.continuations[row]),
            "answer": cut(evaluated.continuations[row]),
        }
        for row in evaluated.spread_rows(SAMPLES)
    ]


def untuned_of(baselines: Baselines) -> EvaluatedTexts | None:
    """Returns the same rows with the predictions of the model before it learned; None where it was not evaluated."""
    return next((one.evaluated for one in baselines.fitted if one.key == "untuned"), None)
