"""Mistakes: the predictions that a reader should look at first. What several tasks say of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from sftkeras.evaluation.evaluated import EvaluatedRows

# Longer texts are cut in the report; the place leads to the whole.
MOST_CHARACTERS = 600
NOT_WRONG = -1.0


def row_facts(evaluated: EvaluatedRows, row: int) -> dict[str, Any]:
    """Gives what each mistake says of its row: text, pair and place."""
    file, line = evaluated.places[row]
    pair = evaluated.pairs[row] if evaluated.pairs is not None else None
    return {
        "text": cut(evaluated.texts[row]),
        "pair": cut(pair) if pair is not None else None,
        "file": file,
        "line": line,
    }


def largest_errors(evaluated: Any, limit: int) -> list[dict[str, Any]]:
    """Describes at most `limit` rows whose number `predictions` is wrong, those furthest from the `truth` first."""
    errors = evaluated.predictions.astype(np.float64) - evaluated.truth
    return [
        row_facts(evaluated, row)
        | {
            "truth": float(evaluated.truth[row]),
            "answer": float(evaluated.predictions[row]),
            "error": float(errors[row]),
        }
        for row in worst_rows(np.where(errors == 0, NOT_WRONG, np.abs(errors)), limit)
    ]


def worst_rows(badness: np.ndarray, limit: int) -> list[int]:
    """Gives numbers of the worst rows, worst first, without those that are `NOT_WRONG`."""
    order = np.argsort(-badness, kind="stable")[:limit]
    return order[badness[order] != NOT_WRONG].tolist()


def cut(text: str) -> str:
    """Gives a text as the report shows it."""
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"
