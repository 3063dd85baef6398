"""The answers that a reader should look at first."""

from __future__ import annotations

from typing import Any

import numpy as np

from sftkeras.evaluation.report.mistakes import NOT_WRONG, cut, row_facts, worst_rows
from sftkeras.evaluation.statistics.generated_texts import text_figures
from sftkeras.tasks.chat.scores import EvaluatedAnswers


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
