"""Texts whose partner was not found, and pairs whose cosine is far from their number."""

from __future__ import annotations

from typing import Any

import numpy as np

from sftkeras.evaluation.mistakes import cut, row_facts
from sftkeras.evaluation.similarity import JudgedMatches, JudgedScores


def worst_matches(judged: JudgedMatches, limit: int) -> list[dict[str, Any]]:
    """Returns at most `limit` texts to which a wrong text is nearer than their partner, the most by far first.

    `text` and its partner `pair`, with `cosine` and `rank`; `answer`, the nearest wrong text, with `answer_cosine`.
    """
    ahead = judged.nearest_cosines - judged.cosines
    order = np.argsort(-ahead, kind="stable")
    rows = order[judged.ranks[order] > 1][:limit].tolist()
    return [
        {
            **row_facts(judged, row),
            "rank": int(judged.ranks[row]),
            "cosine": float(judged.cosines[row]),
            "answer": cut(judged.pairs[judged.nearest[row]]),
            "answer_cosine": float(judged.nearest_cosines[row]),
        }
        for row in rows
    ]


def worst_scores(judged: JudgedScores, limit: int) -> list[dict[str, Any]]:
    """Returns at most `limit` pairs, those whose answer is furthest from the truth first."""
    errors = judged.answers.astype(np.float64) - judged.truth
    rows = np.argsort(-np.abs(errors), kind="stable")[:limit].tolist()
    return [
        {
            **row_facts(judged, row),
            "truth": float(judged.truth[row]),
            "answer": float(judged.answers[row]),
            "error": float(errors[row]),
        }
        for row in rows
        if errors[row]
    ]
