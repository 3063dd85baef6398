"""Figures of numbers are those of scikit-learn and scipy."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sklearn.metrics as sk
from evaluated_rows import number_rows, numbers
from scipy import stats

from sftkeras.tasks.regression.evaluation import METRICS, NumbersEvaluation


def test_figures_of_numbers_are_those_of_sklearn_and_scipy():
    rows = number_rows()
    truth, answers = rows.truth.astype(np.float64), rows.predictions.astype(np.float64)
    expected = {
        "mae": sk.mean_absolute_error(truth, answers),
        "rmse": sk.root_mean_squared_error(truth, answers),
        "r2": sk.r2_score(truth, answers),
        "pearson": stats.pearsonr(truth, answers).statistic,
        "spearman": stats.spearmanr(truth, answers).statistic,
        "median_absolute_error": sk.median_absolute_error(truth, answers),
    }
    assert NumbersEvaluation({}).scores(rows).metrics == pytest.approx(expected)


def test_figures_of_numbers_keep_their_digits_far_from_zero():
    truth = 1e6 + np.arange(50, dtype=np.float64)
    evaluated = numbers(truth, truth + np.tile([0.5, -0.5], 25))
    assert NumbersEvaluation({}).scores(evaluated).metrics["r2"] == pytest.approx(
        sk.r2_score(truth, evaluated.predictions.astype(np.float64)), abs=1e-6
    )


def test_every_figure_has_a_title_and_a_meaning():
    assert set(NumbersEvaluation({}).scores(number_rows()).metrics) <= set(METRICS)


@pytest.mark.parametrize(("truth", "answers"), [([1.0], [2.0]), ([1.0, 1.0], [2.0, 2.0]), ([1e30, 2e30], [0.0, 0.0])])
def test_degenerate_rows_give_figures_without_warnings(truth, answers):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metrics = NumbersEvaluation({}).scores(numbers(truth, answers)).metrics
    assert all(value is None or np.isfinite(value) for value in metrics.values())
