"""Cells to one number a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sftkeras.data.checks.findings import Fault
from sftkeras.data.formats.numbers import read_numbers
from sftkeras.data.labels.reader import LabelReader


class NumberReader(LabelReader):
    """One finite number a row."""

    dtype = np.dtype(np.float32)

    def __init__(self, column: str) -> None:
        self._column = column

    def read(self, cells: Sequence[Any]) -> tuple[np.ndarray, dict[int, Fault]]:
        """Returns the numbers, [n] float32, 0 where a cell is none."""
        return read_numbers(cells, self._column)
