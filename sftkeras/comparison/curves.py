"""The learning curves of several runs in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sftkeras.evaluation import pictures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

History = Sequence[dict[str, Any]]


def curves(histories: Sequence[History], names: Sequence[str]) -> Figure | None:
    """Draws the losses of all runs, and the first figure that all measured on the validation part, over epochs.

    Returns:
        None if no run has epochs.
    """
    shown = pictures.drawable(names)
    runs = [
        (history, pictures.short(name), pictures.LINES[number % len(pictures.LINES)])
        for number, (history, name) in enumerate(zip(histories, shown, strict=True))
        if history
    ]
    if not runs:
        return None
    keys = ["loss", *_shared_metric([history for history, _, _ in runs])]
    figure, axes = pictures.side_by_side_axes(9.6 if len(keys) > 1 else 5.4, 3.6, len(keys))
    for axis, key in zip(axes, keys, strict=True):
        for history, _, colour in runs:
            _draw(axis, history, key, colour)
        axis.set(xlabel="epoch", ylabel=f"{key.replace('_', ' ')} (dashed: training)")
    _name_lines(axes[0], runs)
    return figure


def _shared_metric(histories: Sequence[History]) -> list[str]:
    """The first figure, accuracy before others, that training and validation of all runs have; none or one."""
    measured = [[key for key in history[0] if f"val_{key}" in history[0] and key != "loss"] for history in histories]
    shared = [key for key in measured[0] if all(key in others for others in measured)]
    return ["accuracy"] if "accuracy" in shared else shared[:1]


def _draw(axis: Axes, history: History, key: str, colour: str) -> None:
    epochs = [row.get("epoch", number + 1) for number, row in enumerate(history)]
    for name, style in ((key, {"linestyle": "--", "linewidth": 1.0}), (f"val_{key}", {"marker": "o", "markersize": 4})):
        values = [np.nan if row.get(name) is None else float(row[name]) for row in history]
        axis.plot(epochs, values, color=colour, **style)  # type: ignore[arg-type]


def _name_lines(axis: Axes, runs: Sequence[tuple[History, str, str]]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    with pictures.style():
        legend = axis.legend([Line2D([], [], color=colour) for _, _, colour in runs], [name for _, name, _ in runs])
    for text in legend.get_texts():
        text.set_parse_math(False)
