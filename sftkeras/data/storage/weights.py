"""A column of example weights: what each row counts in the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sftkeras.data.checks.findings import Fault
from sftkeras.data.formats.cells import cell_text
from sftkeras.data.formats.numbers import read_numbers
from sftkeras.data.storage.examples import Examples
from sftkeras.errors import SFTError


def read_weights(cells: Sequence[Any], column: str) -> tuple[np.ndarray, dict[int, Fault]]:
    """Gives the weights, [n] float32, 0 where a cell is none, and the faults (SFT270) by row."""
    weights, unreadable = read_numbers(cells, column)
    wrong = {*unreadable, *np.flatnonzero(weights < 0).tolist()}
    weights[list(wrong)] = 0
    return weights, {row: Fault("SFT270", {"found": _shown(cells[row]), "column": column}) for row in sorted(wrong)}


def _shown(cell: Any) -> str:
    shown = cell_text(cell) if cell is not None else ""
    return f'"{shown[:40]}"' if shown else "nothing"


def check_weights(examples: Examples, splits: Mapping[str, np.ndarray], column: str | None) -> None:
    """Makes sure that there is something to learn from, and to validate on.

    Raises:
        SFTError: SFT271 if all rows of a part have weight 0.
    """
    if examples.weights is None:
        return
    for part, use in (("train", "train on"), ("validation", "validate on")):
        rows = splits[part]
        if not examples.weights[rows].any():
            file = examples.places(rows[:1])[0][0]
            raise SFTError("SFT271", file=file, rows=f"{len(rows):,}", use=use, column=column)
