"""Texts whose partner was not found."""

from __future__ import annotations

from typing import Any

import numpy as np

from sftkeras.evaluation.report.mistakes import cut, row_facts
from sftkeras.tasks.similarity.scores import EvaluatedMatches


def worst_matches(evaluated: EvaluatedMatches, limit: int) -> list[dict[str, Any]]:
    """Returns at most `limit` texts to which a wrong text is nearer than their partner, the most by far first.

    `text` and its partner `pair`, with `cosine` and `rank`; `answer`, the nearest wrong text, with `answer_cosine`.
    """
    ahead = evaluated.nearest_cosines - evaluated.cosines
    order = np.argsort(-ahead, kind="stable")
    rows = order[evaluated.ranks[order] > 1][:limit].tolist()
    return [
        {
            **row_facts(evaluated, row),
            "rank": int(evaluated.ranks[row]),
            "cosine": float(evaluated.cosines[row]),
            "answer": cut(evaluated.pairs[evaluated.nearest[row]]),
            "answer_cosine": float(evaluated.nearest_cosines[row]),
        }
        for row in rows
    ]
