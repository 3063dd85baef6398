"""Figures of a report: what a figure is called, sums over rows that figures follow from, and counts of hits.

Most figures are functions of *sums over rows* (a `Tally`). One code then gives the figure itself (the plain sums) and
its confidence interval (the sums of resampled rows, see bootstrap.py). Which figures there are, each task says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class Metric(NamedTuple):
    """Display of a figure."""

    title: str
    meaning: str
    share: bool = True  # of 1, shown in percent
    higher_is_better: bool = True


# Those that several tasks have.
MACRO_F1 = Metric("Macro F1", "F1, averaged over labels: rare labels count as much as common ones")
PEARSON = Metric("Pearson correlation", "linear agreement of predictions and truth", False)
SPEARMAN = Metric("Spearman correlation", "agreement of the order of predictions and truth", False)
CALIBRATION_OF_SCORES = Metric(
    "Calibration error", "how far scores are from the share that is right (ECE)", True, False
)


class Tally(NamedTuple):
    """Additive facts of each row, and the figures that follow from their sums.

    `rows` is `[rows, facts]` float64, sparse. `figures` takes sums `[..., facts]` to figures of shape `[...]`.
    """

    rows: csr_array
    figures: Callable[[np.ndarray], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Scores:
    """All figures of one model on one set of rows.

    `metrics` holds figures by name; None where one is not defined on these rows. `per_class` is keyed by label name.
    `confusion` and `calibration` are None where there are none. `breakdowns` has the figures of groups of rows, or of
    what is in them, by what distinguishes the groups: each has a `group`, its name, `support`, how many it has, and
    `metrics`.
    """

    metrics: dict[str, float | None]
    per_class: dict[str, dict[str, Any]] = field(default_factory=dict)
    confusion: dict[str, Any] | None = None
    calibration: dict[str, Any] | None = None
    breakdowns: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def scores_of(tally: Tally) -> dict[str, float | None]:
    """Gives the figures of all rows; None where one is not defined."""
    return {name: finite(value) for name, value in tally.figures(tally.rows.sum(axis=0)).items()}


def precision_recall_f1(
    hits: np.ndarray, answered: np.ndarray, actual: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall and F1 from counts of any shape; 0 where a denominator is 0."""
    return ratio(hits, answered), ratio(hits, actual), ratio(2 * hits, answered + actual)


def averages(hits: np.ndarray, answered: np.ndarray, actual: np.ndarray) -> dict[str, np.ndarray]:
    """Macro and weighted figures from counts `[..., labels]`.

    The macro average is over the labels that occur in truth or predictions, as in scikit-learn.
    """
    occurs = answered + actual > 0
    figures = dict(zip(("precision", "recall", "f1"), precision_recall_f1(hits, answered, actual), strict=True))
    macro = {f"macro_{name}": ratio((value * occurs).sum(-1), occurs.sum(-1)) for name, value in figures.items()}
    weighted = {f"weighted_{name}": ratio((value * actual).sum(-1), actual.sum(-1)) for name, value in figures.items()}
    return macro | weighted


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Divides; 0 where the whole is 0."""
    out = np.zeros(np.broadcast_shapes(np.shape(part), np.shape(whole)))
    return np.divide(part, whole, out=out, where=np.asarray(whole) > 0)


def finite(value: Any) -> float | None:
    """Gives a plain number, or None for what is not finite."""
    return float(value) if np.isfinite(value) else None
