"""Parts that evaluations of chat and causal_lm share: the untuned model, texts of both models, and what was lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sftkeras.evaluation.baselines import Baselines
from sftkeras.evaluation.contract import Evaluation, Predict, Report
from sftkeras.evaluation.report.mistakes import cut, row_facts
from sftkeras.evaluation.statistics.token_losses import PERPLEXITY, TOKEN_ACCURACY
from sftkeras.tasks.retention import RETENTION_PERPLEXITY, retention_facts, retention_predictions

METRICS = {"perplexity": PERPLEXITY, "token_accuracy": TOKEN_ACCURACY, "retention_perplexity": RETENTION_PERPLEXITY}
SAMPLES = 8


class NextTokenEvaluation(Evaluation):
    """Evaluates losses of tokens, and texts that the model writes for some rows."""

    untuned = "the untuned model"

    def further_predictions(self, predict: Predict) -> dict[str, np.ndarray]:
        """Losses of the retention text, if there is one."""
        return retention_predictions(self.settings, predict)

    def written(self, evaluated: Any) -> Sequence[str | None]:
        """Texts the model wrote, one a row; "" or None where nothing."""
        raise NotImplementedError

    def sample(self, evaluated: Any, row: int) -> dict[str, str]:
        """Entries of the report for a row beside both models' texts: `reference`, the text they should have written."""
        raise NotImplementedError

    def own_parts(self, evaluated: Any, baselines: Baselines) -> Report:
        """Samples before and after, and what was lost.

        A sample has what `row_facts` and `sample` give, `answer`, and `untuned`, which is None where the untuned model
        was not evaluated.
        """
        untuned = baselines.untuned
        samples = [
            row_facts(evaluated, row)
            | {name: cut(text) for name, text in self.sample(evaluated, row).items()}
            | {
                "untuned": None if untuned is None else cut(self.written(untuned)[row] or ""),
                "answer": cut(self.written(evaluated)[row] or ""),
            }
            for row in evaluated.spread_rows(SAMPLES)
        ]
        before = None if untuned is None else untuned.retained
        return {"samples": samples, "retention": retention_facts(self.settings, before, evaluated.retained)}
