"""The texts that a reader should look at first: the hardest to predict."""

from __future__ import annotations

from typing import Any

import numpy as np

from sftkeras.evaluation.report.mistakes import NOT_WRONG, row_facts, worst_rows
from sftkeras.tasks.causal_lm.scores import EvaluatedTexts


def hardest_texts(evaluated: EvaluatedTexts, limit: int) -> list[dict[str, Any]]:
    """Describes at most `limit` texts, those of the highest perplexity first."""
    perplexities = evaluated.perplexities
    return [
        row_facts(evaluated, row) | {"perplexity": perplexities[row]}
        for row in worst_rows(np.where(np.isnan(perplexities), NOT_WRONG, perplexities), limit)
    ]
