"""Baselines of regression on the same split: the mean, and TF-IDF with ridge regression."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from sftkeras.evaluation.baselines import (
    NO_WORDS,
    Baseline,
    Baselines,
    NoWordsError,
    ReadTexts,
    linear_features,
    sampled_rows,
)
from sftkeras.tasks.regression.scores import EvaluatedNumbers

_LINEAR = "TF-IDF + ridge regression"


def fit_number_baselines(
    read_texts: ReadTexts, train_truth: np.ndarray, evaluated: EvaluatedNumbers, seed: int
) -> Baselines:
    """Fits the baselines on the training rows and lets them predict the evaluated rows.

    Args:
        read_texts: takes positions within the training rows (`[n]` int, ascending) to their texts and second texts
            (or None). Called with at most `MOST_TRAINING_ROWS` rows.
        train_truth: the numbers of all training rows.
        evaluated: the rows to predict.
        seed: decides which rows are sampled when there are too many.

    Returns:
        The mean, and the linear model unless the texts hold no words.
    """
    mean = _mean(train_truth, evaluated)
    try:
        return Baselines((mean, _linear(read_texts, train_truth, evaluated, seed)))
    except NoWordsError:
        return Baselines((mean,), {_LINEAR: NO_WORDS})


def _mean(train_truth: np.ndarray, evaluated: EvaluatedNumbers) -> Baseline:
    start = time.perf_counter()
    predictions = np.full(len(evaluated), train_truth.mean(dtype=np.float64)).astype(np.float32)
    given = evaluated.with_predictions(predictions)
    return Baseline("mean", "always the mean", given, len(train_truth), time.perf_counter() - start)


def _linear(read_texts: ReadTexts, train_truth: np.ndarray, evaluated: EvaluatedNumbers, seed: int) -> Baseline:
    start = time.perf_counter()
    rows = sampled_rows(len(train_truth), seed)
    train, test = linear_features(read_texts, rows, evaluated, outputs=1)
    predictions = _ridge(train, np.asarray(train_truth[rows]), test)
    given = evaluated.with_predictions(predictions)
    return Baseline("tfidf_ridge", _LINEAR, given, len(rows), time.perf_counter() - start)


def _ridge(train: Any, truth: np.ndarray, test: Any) -> np.ndarray:
    from sklearn.linear_model import Ridge

    truth = truth.astype(np.float64)
    # The penalty then weighs the same whatever the unit of the numbers.
    centre, spread = truth.mean(), truth.std() or 1.0
    model = Ridge(solver="sparse_cg").fit(train, (truth - centre) / spread)
    return (model.predict(test) * spread + centre).astype(np.float32)
