"""Evaluated rows of made-up models, for tests of figures and of the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sftkeras.evaluation import Evaluation
from sftkeras.tasks import spec_of
from sftkeras.tasks.classification.scores import EvaluatedLabels
from sftkeras.tasks.regression.scores import EvaluatedNumbers

WORDS = np.array(["good", "bad", "fine", "poor", "plot", "scene", "actor", "music", "slow", "bright", "dull", "fresh"])

Rows = EvaluatedLabels | EvaluatedNumbers


def texts_of(rows: int, seed: int = 0) -> list[str]:
    words = np.random.default_rng(seed).choice(WORDS, size=(rows, 5))
    return [" ".join(row) for row in words]


def columns_of(rows: int) -> dict[str, Any]:
    """Texts, pairs and places of so many rows."""
    return {"texts": texts_of(rows), "pairs": None, "places": [("reviews.csv", row + 2) for row in range(rows)]}


def one_label(names: Sequence[str], truth: Any, predictions: Any, **more: Any) -> EvaluatedLabels:
    """Rows with one label each, from plain lists."""
    return _labels(names, truth, predictions, multi_label=False, **more)


def many_labels(names: Sequence[str], truth: Any, predictions: Any, **more: Any) -> EvaluatedLabels:
    """Rows with none, one or several labels, from plain lists."""
    return _labels(names, truth, predictions, multi_label=True, **more)


def _labels(names: Sequence[str], truth: Any, predictions: Any, **more: Any) -> EvaluatedLabels:
    known = columns_of(len(truth)) | {"truth": np.asarray(truth), "predictions": np.asarray(predictions, np.float32)}
    return EvaluatedLabels(**known | more, label_names=tuple(names))


def numbers(truth: Any, predictions: Any, **more: Any) -> EvaluatedNumbers:
    """Rows with a number each, from plain lists."""
    known = columns_of(len(truth)) | {"truth": np.asarray(truth), "predictions": np.asarray(predictions, np.float32)}
    return EvaluatedNumbers(**known | more)


def one_label_rows(rows: int = 300, labels: int = 3, seed: int = 0) -> EvaluatedLabels:
    random = np.random.default_rng(seed)
    truth = random.integers(labels, size=rows).astype(np.int32)
    logits = random.normal(size=(rows, labels)) + 1.5 * np.eye(labels)[truth]
    predictions = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return one_label([f"label {n}" for n in range(labels)], truth, predictions)


def many_label_rows(rows: int = 300, labels: int = 4, seed: int = 0) -> EvaluatedLabels:
    random = np.random.default_rng(seed)
    truth = (random.random((rows, labels)) < 0.3).astype(np.uint8)
    predictions = 1 / (1 + np.exp(-random.normal(3.0 * truth - 1.5)))
    names = [f"label {n}" for n in range(labels)]
    return many_labels(names, truth, predictions, thresholds=np.linspace(0.3, 0.6, labels))


def number_rows(rows: int = 300, seed: int = 0) -> EvaluatedNumbers:
    random = np.random.default_rng(seed)
    truth = random.normal(3, 2, size=rows).astype(np.float32)
    return numbers(truth, truth + random.normal(0, 0.7, size=rows))


def evaluation_of(rows: Rows) -> Evaluation:
    """How such rows are evaluated."""
    if isinstance(rows, EvaluatedNumbers):
        return spec_of("regression").evaluation({})
    return spec_of("classification").evaluation({"multi_label": rows.multi_label})
