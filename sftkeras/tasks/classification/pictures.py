"""Pictures of probabilities of labels; those that other tasks have too are in `sftkeras.evaluation.pictures`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sftkeras.evaluation import pictures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CURVES = 8


def precision_recall_figure(
    truth: np.ndarray, probabilities: np.ndarray, names: Sequence[str], *, for_browser: bool = False
) -> Figure:
    """Draws the precision-recall curve of each label that has rows, the least precise ones if there are many.

    Args:
        truth: `[rows]` int label numbers, or `[rows, labels]` 0 or 1.
        probabilities: `[rows, labels]` float.
        names: `[labels]`; replaced by numbers where no installed font has their letters.
        for_browser: keep the names, since the browser has fonts of its own.
    """
    from sklearn.metrics import auc, precision_recall_curve

    names = list(names) if for_browser else pictures.drawable(names)
    is_label = truth[:, None] == np.arange(len(names)) if truth.ndim == 1 else truth.astype(bool)
    figure, axes = pictures.new_axes(5.4, 3.6)
    curves = []
    for number in np.flatnonzero(is_label.any(axis=0)):
        precision, recall, _ = precision_recall_curve(is_label[:, number], probabilities[:, number])
        curves.append((auc(recall, precision), number, recall, precision))
    shown = sorted(curves, key=lambda curve: curve[0])[:MOST_CURVES]
    for line, (_, number, recall, precision) in enumerate(shown):
        # Points at equal steps of recall: thinning by row would leave gaps.
        kept = _spread_over(recall)
        axes.plot(recall[kept], precision[kept], color=pictures.LINES[line], label=str(number))
    axes.set(xlim=(0, 1.01), ylim=(0, 1.03), xlabel="recall", ylabel="precision")
    if shown:
        pictures.legend(axes, [pictures.short(names[number]) for _, number, _, _ in shown])
    return figure


def _spread_over(recall: np.ndarray) -> np.ndarray:
    """Positions of at most `pictures.MOST_POINTS` points at equal steps of recall, which falls."""
    steps = np.linspace(0, 1, pictures.MOST_POINTS)
    return np.unique(np.searchsorted(-recall, -steps).clip(0, len(recall) - 1))
