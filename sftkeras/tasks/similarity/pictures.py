"""Figures of matches alone; those that other tasks have too are in `pictures`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sftkeras.evaluation import pictures
from sftkeras.tasks.similarity.scores import NOTHING, EvaluatedMatches

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# First and last rank of each bar.
_BARS = ((1, 1), (2, 5), (6, 10), (11, 50), (51, None))


def match_figure(evaluated: EvaluatedMatches) -> Figure:
    """Draws at which ranks partners stand, and the cosines of partners beside those of the nearest wrong texts."""
    figure, (ranks, cosines) = pictures.side_by_side_axes(9.6, 3.6, 2)
    bars = [bar for bar in _BARS if bar[0] <= evaluated.candidates]
    shares = [
        np.mean((evaluated.ranks >= first) & (evaluated.ranks <= (last or evaluated.candidates)))
        for first, last in bars
    ]
    names = [
        f"{first}–{last}" if last and last > first else f"{first}" if last else f"{first}+" for first, last in bars
    ]
    ranks.bar(range(len(bars)), shares, width=0.7, color=[pictures.BLUE, *[pictures.LINES[5]] * (len(bars) - 1)])
    ranks.set_xticks(range(len(bars)), names)
    ranks.set(xlabel="rank of the partner", ylabel="share of the texts")
    ranks.grid(False, axis="x")
    wrong = evaluated.nearest_cosines[evaluated.nearest != NOTHING]
    both = np.concatenate([evaluated.cosines, wrong])
    edges = np.linspace(both.min(), max(both.max(), both.min() + 1e-3), 26).tolist()
    cosines.hist(evaluated.cosines, edges, color=pictures.BLUE, alpha=0.75, label="partner")
    cosines.hist(wrong, edges, color=pictures.ORANGE, alpha=0.55, label="nearest wrong text")
    cosines.set(xlabel="cosine", ylabel="texts")
    with pictures.style():
        cosines.legend()
    return figure
