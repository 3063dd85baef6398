"""Evaluates causal language modelling: perplexity and accuracy of the next token, continuations, and what was lost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sftkeras.evaluation.statistics.metrics import Scores, Tally
from sftkeras.evaluation.statistics.token_losses import LOSS_OUTPUTS
from sftkeras.tasks.causal_lm.mistakes import hardest_texts
from sftkeras.tasks.causal_lm.scores import EvaluatedTexts, read_texts, score_texts, texts_tally
from sftkeras.tasks.next_token_evaluation import METRICS, NextTokenEvaluation


class TextsEvaluation(NextTokenEvaluation):
    """Evaluates the tokens that a model predicts in plain texts."""

    task = "causal_lm"
    label_kind = "none"
    headline = "perplexity"
    outputs = (*LOSS_OUTPUTS, "beginning", "continuation")
    metrics = METRICS
    cards = ("token_accuracy", "retention_perplexity")
    template = Path(__file__).with_name("report")

    def evaluated(
        self, rows: dict[str, Any], truth: Any, predictions: dict[str, np.ndarray], label_names: tuple[str, ...]
    ) -> EvaluatedTexts:
        """Losses beside the texts."""
        return read_texts(rows, predictions)

    def tally(self, evaluated: EvaluatedTexts) -> Tally:
        """Losses, hits and sizes of each text."""
        return texts_tally(evaluated)

    def scores(self, evaluated: EvaluatedTexts) -> Scores:
        """Every figure."""
        return score_texts(evaluated)

    def mistakes(self, evaluated: EvaluatedTexts, limit: int) -> list[dict[str, Any]]:
        """The texts of the highest perplexity."""
        return hardest_texts(evaluated, limit)

    def written(self, evaluated: EvaluatedTexts) -> Sequence[str]:
        """The model's continuation of each text."""
        return evaluated.continuations

    def sample(self, evaluated: EvaluatedTexts, row: int) -> dict[str, str]:
        """The beginning that was read, and how the text goes on."""
        beginning = evaluated.beginnings[row]
        return {"beginning": beginning, "reference": evaluated.texts[row].removeprefix(beginning)}
