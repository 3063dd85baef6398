"""Baselines of numbers: the mean, and ridge regression."""

from __future__ import annotations

import numpy as np
from evaluated_rows import numbers

from sftkeras.tasks.regression.baselines import fit_number_baselines
from sftkeras.tasks.regression.evaluation import NumbersEvaluation


def test_numbers_are_compared_with_the_mean_and_ridge():
    texts = ["good", "bad"] * 30
    evaluated = numbers([5.0, 1.0], [3.0, 3.0], texts=["good", "bad"])
    truth = np.array([5.0, 1.0] * 30)
    mean, ridge = fit_number_baselines(lambda rows: ([texts[row] for row in rows], None), truth, evaluated, 17).fitted
    assert mean.key == "mean"
    assert mean.evaluated.predictions.tolist() == [3, 3]
    assert NumbersEvaluation({}).scores(ridge.evaluated).metrics["mae"] < 0.5
