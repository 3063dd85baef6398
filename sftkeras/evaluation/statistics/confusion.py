"""Confusion of labels: counts by truth and prediction, and the pairs that are confused most."""

from __future__ import annotations

from typing import Any

import numpy as np

MOST_CONFUSED_PAIRS = 50


def confusion_counts(truth: np.ndarray, given: np.ndarray, labels: int) -> np.ndarray:
    """Counts rows by truth and prediction.

    Args:
        truth: `[rows]` int label numbers.
        given: `[rows]` int label numbers.
        labels: how many labels there are.

    Returns:
        `[labels, labels]` int64; a row is a true label, a column a predicted one.
    """
    cells = truth.astype(np.int64) * labels + given
    return np.bincount(cells, minlength=labels * labels).reshape(labels, labels)


def confused_pairs(counts: np.ndarray, names: list[str]) -> list[dict[str, Any]]:
    """Gives the most frequent confusions of a matrix, with their share of the true label."""
    support = counts.sum(axis=1)
    confusions = counts - np.diag(np.diag(counts))
    order = np.argsort(-confusions, axis=None, kind="stable")[:MOST_CONFUSED_PAIRS]
    pairs = zip(*np.unravel_index(order, counts.shape), strict=True)
    return [
        {"truth": names[t], "answer": names[a], "count": int(counts[t, a]), "share": float(counts[t, a] / support[t])}
        for t, a in pairs
        if confusions[t, a]
    ]


def most_confused(counts: np.ndarray, limit: int) -> np.ndarray:
    """Returns the numbers of the `limit` labels with the most confusions, ascending; all if there are no more."""
    confusions = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diag(counts)
    return np.sort(np.argsort(-confusions, kind="stable")[:limit])
