"""Evaluates causal language modelling: perplexity and accuracy of the next token, continuations, and what was lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sftkeras.evaluation.baselines import Baselines
from sftkeras.evaluation.contract import Evaluation, Predict, Report
from sftkeras.evaluation.statistics.metrics import Scores, Tally
from sftkeras.evaluation.statistics.token_losses import PERPLEXITY, TOKEN_ACCURACY
from sftkeras.tasks.causal_lm.mistakes import continuations_side_by_side, hardest_texts, untuned_of
from sftkeras.tasks.causal_lm.scores import EvaluatedTexts, read_texts, score_texts, texts_tally
from sftkeras.tasks.retention import RETENTION_PERPLEXITY, retention_facts, retention_predictions

METRICS = {
    "perplexity": PERPLEXITY,
    "token_accuracy": TOKEN_ACCURACY,
    "retention_perplexity": RETENTION_PERPLEXITY,
}


class TextsEvaluation(Evaluation):
    """Evaluates the tokens that a model predicts in plain texts."""

    task = "causal_lm"
    label_kind = "none"
    headline = "perplexity"
    outputs = ("loss", "tokens", "hits", "beginning", "continuation")
    metrics = METRICS
    cards = ("token_accuracy", "retention_perplexity")
    untuned = "the untuned model"
    template = Path(__file__).with_name("report")

    def evaluated(
        self, rows: dict[str, Any], truth: Any, predictions: dict[str, np.ndarray], label_names: tuple[str, ...]
    ) -> EvaluatedTexts:
        """Losses beside the texts."""
        return read_texts(rows, predictions)

    def further_predictions(self, predict: Predict) -> dict[str, np.ndarray]:
        """Losses of the retention text, if there is one."""
        return retention_predictions(self.settings, predict)

    def tally(self, evaluated: EvaluatedTexts) -> Tally:
        """Losses, hits and sizes of each text."""
        return texts_tally(evaluated)

    def scores(self, evaluated: EvaluatedTexts) -> Scores:
        """Every figure."""
        return score_texts(evaluated)

    def mistakes(self, evaluated: EvaluatedTexts, limit: int) -> list[dict[str, Any]]:
        """The texts of the highest perplexity."""
        return hardest_texts(evaluated, limit)

    def own_parts(self, evaluated: EvaluatedTexts, baselines: Baselines) -> Report:
        """Continuations before and after, and what was lost."""
        untuned = untuned_of(baselines)
        before = untuned.retained if untuned else None
        return {
            "samples": continuations_side_by_side(evaluated, untuned),
            "retention": retention_facts(self.settings, before, evaluated.retained),
        }
