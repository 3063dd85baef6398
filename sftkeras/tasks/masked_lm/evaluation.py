"""Evaluates masked language modelling: perplexity and accuracy of the tokens that are masked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sftkeras.evaluation.baselines import Baselines, ReadTexts
from sftkeras.evaluation.contract import Evaluation
from sftkeras.evaluation.statistics.metrics import Metric, Scores, Tally
from sftkeras.tasks.masked_lm.baselines import fit_mask_baselines
from sftkeras.tasks.masked_lm.scores import EvaluatedMasks, masks_tally, read_masks, score_masks, worst_guesses

METRICS = {
    "perplexity": Metric(
        "Perplexity", "exponential of the mean loss: 10 is as uncertain as a choice among 10 tokens", False, False
    ),
    "masked_accuracy": Metric("Masked tokens predicted", "share of masked tokens that are the likeliest prediction"),
    "masked_accuracy_5": Metric("In five predictions", "share of masked tokens among the five likeliest predictions"),
}


class MasksEvaluation(Evaluation):
    """Evaluates the tokens that a model predicts for masks."""

    task = "masked_lm"
    label_kind = "masked_words"
    headline = "perplexity"
    outputs = ("token", "probability", "hidden", "loss")
    metrics = METRICS
    cards = ("masked_accuracy", "masked_accuracy_5")
    template = Path(__file__).with_name("report")

    def evaluated(
        self, rows: dict[str, Any], truth: Any, predictions: dict[str, np.ndarray], label_names: tuple[str, ...]
    ) -> EvaluatedMasks:
        """Predicted tokens beside the masked ones, which the exported model gives too."""
        return read_masks(rows, predictions, self.settings["vocabulary"])

    def tally(self, evaluated: EvaluatedMasks) -> Tally:
        """Losses and hits of each text."""
        return masks_tally(evaluated)

    def scores(self, evaluated: EvaluatedMasks) -> Scores:
        """Every figure, also by how frequent tokens are."""
        return score_masks(evaluated)

    def baselines(self, read_texts: ReadTexts, train_truth: Any, evaluated: EvaluatedMasks, seed: int) -> Baselines:
        """Frequency of each token."""
        return fit_mask_baselines(len(train_truth), evaluated)

    def mistakes(self, evaluated: EvaluatedMasks, limit: int) -> list[dict[str, Any]]:
        """Wrong tokens, the most confident first."""
        return worst_guesses(evaluated, limit)
