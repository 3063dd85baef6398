"""Figures of entities alone; those that other tasks have too are in `pictures`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sftkeras.evaluation import pictures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_LABELS = 20

# What is drawn of each label's entities, with its colour.
_PARTS = (
    ("right", "right", pictures.BLUE),
    ("boundary", "wrong boundary", pictures.LINES[5]),
    ("label", "wrong label", pictures.ORANGE),
    ("both", "wrong in both", pictures.LINES[6]),
    ("missed", "missed", pictures.GRID),
)


def fault_figure(per_label: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draws what became of the true entities of each label, as shares of a bar; the most frequent labels.

    Args:
        per_label: of each label its `support` and `faults`, the counts by fault.
    """
    rows = sorted(
        ((name, row) for name, row in per_label.items() if row["support"]), key=lambda one: -one[1]["support"]
    )
    rows = rows[:MOST_LABELS]
    names = pictures.drawable([name for name, _ in rows])
    labels = [f"{pictures.short(name)}  {row['support']:,}" for name, (_, row) in zip(names, rows, strict=True)]
    figure, axes = pictures.new_axes(7.2, 1.3 + 0.34 * max(len(rows), 1))
    left = np.zeros(len(rows))
    for part, title, colour in _PARTS:
        share = np.array([row["faults"][part] / row["support"] for _, row in rows])
        axes.barh(range(len(rows)), share, left=left, height=0.66, color=colour, label=title)
        left += share
    axes.set_yticks(range(len(rows)), labels, parse_math=False)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="share of the true entities")
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)
    with pictures.style():
        axes.legend(ncols=len(_PARTS), loc="lower center", bbox_to_anchor=(0.42, 1.0), handlelength=1, columnspacing=1)
    return figure
