"""Evaluates regression: errors of numbers, and how they agree with the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sftkeras.evaluation import pictures
from sftkeras.evaluation.baselines import Baselines, ReadTexts
from sftkeras.evaluation.contract import Evaluation, Pictures, Report
from sftkeras.evaluation.report.mistakes import largest_errors
from sftkeras.evaluation.statistics.metrics import PEARSON, SPEARMAN, Metric, Scores, Tally, scores_of
from sftkeras.tasks.regression.baselines import fit_number_baselines
from sftkeras.tasks.regression.scores import EvaluatedNumbers, order_figures, tally_numbers

METRICS = {
    "mae": Metric("Mean absolute error", "average distance between prediction and truth", False, False),
    "rmse": Metric("Root mean squared error", "as the mean absolute error, but large errors weigh more", False, False),
    "median_absolute_error": Metric(
        "Median absolute error", "half of the predictions are nearer than this", False, False
    ),
    "r2": Metric("R²", "share of the truth's variance that the predictions explain", False),
    "pearson": PEARSON,
    "spearman": SPEARMAN,
}


class NumbersEvaluation(Evaluation):
    """Evaluates a number for each text."""

    task = "regression"
    label_kind = "number"
    headline = "mae"
    outputs = ("value",)
    metrics = METRICS
    cards = ("rmse", "r2", "pearson", "spearman")
    constant_baseline = "mean"
    template = Path(__file__).with_name("report")

    def evaluated(
        self, rows: dict[str, Any], truth: Any, predictions: dict[str, np.ndarray], label_names: tuple[str, ...]
    ) -> EvaluatedNumbers:
        """Numbers beside numbers."""
        return EvaluatedNumbers(**rows, truth=np.asarray(truth), predictions=predictions["value"])

    def tally(self, evaluated: EvaluatedNumbers) -> Tally:
        """Errors, and what correlations follow from."""
        return tally_numbers(evaluated)

    def scores(self, evaluated: EvaluatedNumbers) -> Scores:
        """Every figure, also those of the order of numbers."""
        return Scores(scores_of(self.tally(evaluated)) | order_figures(evaluated))

    def baselines(self, read_texts: ReadTexts, train_truth: Any, evaluated: EvaluatedNumbers, seed: int) -> Baselines:
        """The mean, and TF-IDF with ridge regression."""
        return fit_number_baselines(read_texts, train_truth, evaluated, seed)

    def mistakes(self, evaluated: EvaluatedNumbers, limit: int) -> list[dict[str, Any]]:
        """The largest errors."""
        return largest_errors(evaluated, limit)

    def figures(self, evaluated: EvaluatedNumbers, report: Report) -> Pictures:
        """Errors over the truth, and how they are spread."""
        return {"residuals": pictures.residual_figure(evaluated.truth, evaluated.predictions)}
