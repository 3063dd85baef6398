"""Baselines of classification on the same split: the most frequent labels, and TF-IDF with logistic regression."""

from __future__ import annotations

import time
import warnings
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
from sftkeras.tasks.classification.scores import EvaluatedLabels

# Weaker regularisation than scikit-learn's 1: on 8,000 short reviews it scores 1 to 2 points more.
REGULARISATION_C = 4
# One linear model is fitted for each label; beyond this many it takes too long.
MOST_SEPARATE_LABELS = 200

_LINEAR = "TF-IDF + logistic regression"


def fit_label_baselines(
    read_texts: ReadTexts, train_truth: np.ndarray, evaluated: EvaluatedLabels, seed: int
) -> Baselines:
    """Fits the baselines on the training rows and lets them predict the evaluated rows.

    Args:
        read_texts: takes positions within the training rows (`[n]` int, ascending) to their texts and second texts
            (or None). Called with at most `MOST_TRAINING_ROWS` rows.
        train_truth: truth of all training rows, as in `EvaluatedLabels`.
        evaluated: the rows to predict.
        seed: decides which rows are sampled when there are too many.

    Returns:
        The majority, and the linear model unless there is nothing to learn from (one label, no words) or there are more
        than `MOST_SEPARATE_LABELS` labels to learn one by one.
    """
    majority = _majority(train_truth, evaluated)
    if reason := _why_not_linear(train_truth, evaluated):
        return Baselines((majority,), {_LINEAR: reason})
    try:
        return Baselines((majority, _linear(read_texts, train_truth, evaluated, seed)))
    except NoWordsError:
        return Baselines((majority,), {_LINEAR: NO_WORDS})


def _why_not_linear(train_truth: np.ndarray, evaluated: EvaluatedLabels) -> str | None:
    if evaluated.multi_label and len(evaluated.label_names) > MOST_SEPARATE_LABELS:
        return f"More than {MOST_SEPARATE_LABELS} labels: fitting a model for each takes too long."
    if not evaluated.multi_label and np.ptp(train_truth) == 0:
        return "All training texts have one label."
    return None


def _majority(train_truth: np.ndarray, evaluated: EvaluatedLabels) -> Baseline:
    """Gives every text the share of the training rows that each label has."""
    start = time.perf_counter()
    rows, labels = len(evaluated), len(evaluated.label_names)
    if evaluated.multi_label:
        share = train_truth.mean(axis=0, dtype=np.float64)
        name = "the labels that most texts have"
    else:
        share = np.bincount(train_truth, minlength=labels) / len(train_truth)
        name = f"always “{evaluated.label_names[share.argmax()]}”"
    predictions = np.broadcast_to(share, (rows, labels)).astype(np.float32)
    given = evaluated.with_predictions(predictions)
    return Baseline("majority", name, given, len(train_truth), time.perf_counter() - start)


def _linear(read_texts: ReadTexts, train_truth: np.ndarray, evaluated: EvaluatedLabels, seed: int) -> Baseline:
    start = time.perf_counter()
    labels = 1 if evaluated.multi_label else len(evaluated.label_names)  # of one model
    rows = _sample(train_truth, seed)
    train, test = linear_features(read_texts, rows, evaluated, labels)
    predictions = _fit_and_predict(evaluated, train, np.asarray(train_truth[rows]), test)
    return Baseline(
        "tfidf_logistic_regression",
        _LINEAR,
        evaluated.with_predictions(predictions),
        len(rows),
        time.perf_counter() - start,
    )


def _sample(train_truth: np.ndarray, seed: int) -> np.ndarray:
    """Ascending positions of all rows, or of a sample with at least two labels among them."""
    rows = sampled_rows(len(train_truth), seed)
    if train_truth.ndim == 1 and np.ptp(train_truth[rows]) == 0:
        rows[0] = np.flatnonzero(train_truth != train_truth[rows[0]])[0]
    return np.sort(rows)


def _fit_and_predict(evaluated: EvaluatedLabels, train: Any, truth: np.ndarray, test: Any) -> np.ndarray:
    """Probabilities in the shape of `evaluated.predictions`, float32."""
    predictions = np.zeros(evaluated.predictions.shape, np.float32)
    if not evaluated.multi_label:
        present, probabilities = _logistic(train, truth, test)
        predictions[:, present] = probabilities
        return predictions
    for label, column in enumerate(truth.T):
        predictions[:, label] = column[0]  # what every row says, unless they differ
        if np.ptp(column):
            predictions[:, label] = _logistic(train, column, test)[1][:, 1]
    return predictions


def _logistic(train: Any, truth: np.ndarray, test: Any) -> tuple[np.ndarray, np.ndarray]:
    """The values that occur in `truth`, and the probability of each: `[rows, values]`."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        # A baseline that is not fully converged is a baseline still.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=REGULARISATION_C, max_iter=200).fit(train, truth)
    return model.classes_, model.predict_proba(test)
