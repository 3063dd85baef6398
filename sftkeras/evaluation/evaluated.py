"""Evaluated rows: the predictions of a model on labelled rows, with the truth. Tasks add what theirs are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sftkeras.errors import SFTError


@dataclass(frozen=True, eq=False)
class EvaluatedRows:
    """Rows with their truth and predictions; a task's own class adds these two.

    Args:
        texts: the text of each row.
        pairs: the second text of each row, or None.
        places: file name and 1-based line of each row.

    Raises:
        SFTError: SFT602 for no rows.
    """

    texts: Sequence[str]
    pairs: Sequence[str] | None
    places: Sequence[tuple[str, int]]

    def __post_init__(self) -> None:
        if not len(self.texts):
            raise SFTError("SFT602")

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def predicted_rows(self) -> np.ndarray:
        """The rows that have a prediction, [n] int, ascending: all of them, unless a task predicts some alone."""
        return np.arange(len(self))

    def spread_rows(self, most: int) -> list[int]:
        """Gives at most so many rows that have a prediction, evenly spread."""
        return evenly_spread(self.predicted_rows, most).tolist()

    def in_words(self, row: int) -> tuple[str, str]:
        """Gives the truth and the prediction of a row, for people."""
        raise NotImplementedError


def evenly_spread(rows: np.ndarray, most: int) -> np.ndarray:
    """Gives at most so many of some rows, [n] int, evenly spread."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows)), dtype=int))]


def check_finite(values: np.ndarray, places: Sequence[tuple[str, int]]) -> None:
    """Refuses predictions [rows, …] that are not finite.

    Raises:
        SFTError: SFT603, which names the first place.
    """
    bad = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))
    if bad.size:
        raise SFTError("SFT603", count=bad.size, total=len(values), place=in_file(places[bad[0]]))


def in_file(place: tuple[str, int]) -> str:
    """Names the place of a row."""
    file, line = place
    return f"{file} line {line}"
