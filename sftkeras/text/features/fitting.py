"""Conversations that are too long lose whole turns from their beginning, as few as will do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np


class Renderer(Protocol):
    """Makes marked texts of the rows' texts; see `sftkeras.text.marks`."""

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides what it gives."""

    def __call__(self, texts: Sequence[str], without: Sequence[int] | None = None) -> list[str]:
        """Render rows, each without some turns at its beginning."""

    def spare_turns(self, texts: Sequence[str]) -> list[int]:
        """Return how many turns each row can lose."""


def shortened(
    texts: Sequence[str], render: Renderer, lengths_of: Callable[[list[str]], np.ndarray], most: int
) -> list[str]:
    """Render rows that are too long without as many turns at their beginning as are too many.

    What is too long even as its last turn alone stays so.

    Args:
        texts: of the rows.
        render: makes marked texts of them.
        lengths_of: gives the tokens of marked texts, [rows].
        most: tokens that a row may have.

    Returns:
        The marked texts.
    """
    spare = np.array(render.spare_turns(texts), np.int32)
    low, high = np.minimum(1, spare), spare.copy()  # the fewest turns to lose are from low to high
    while len(open_rows := np.flatnonzero(low < high)):
        middle = (low[open_rows] + high[open_rows]) // 2
        fits = lengths_of(render([texts[row] for row in open_rows.tolist()], middle.tolist())) <= most
        high[open_rows] = np.where(fits, middle, high[open_rows])
        low[open_rows] = np.where(fits, low[open_rows], middle + 1)
    return render(texts, low.tolist())
