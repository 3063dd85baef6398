"""Conversations to rows of tokens: rendered, and without the first turns of those that are too long. No TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sftkeras.tasks.language_model import TokenRows
from sftkeras.text.features.fitting import Renderer, shortened


def conversation_rows(
    texts: Sequence[str], tokenise: Callable[[Sequence[str]], TokenRows], render: Renderer, *, most: int, cut: bool
) -> tuple[TokenRows, np.ndarray]:
    """Make rows of conversations.

    Args:
        texts: canonical JSON of each.
        tokenise: makes rows of marked texts.
        render: makes marked texts of conversations.
        most: tokens that a row may have. What is longer is cut at its end.
        cut: leave out whole turns at the beginning of those that are too long first.

    Returns:
        The rows; and each one's length before any turn was left out, [rows] int32.
    """
    rows = tokenise(render(texts))
    whole = _lengths(rows)
    if cut and len(long := np.flatnonzero(whole > most)):
        shorter = shortened(
            [texts[row] for row in long.tolist()], render, lambda marked: _lengths(tokenise(marked)), most
        )
        found = tokenise(shorter)
        for row, ids, flags in zip(long.tolist(), found.token_ids, found.learned, strict=True):
            rows.token_ids[row], rows.learned[row] = ids, flags
    token_ids, learned = ([row[:most] for row in part] for part in (rows.token_ids, rows.learned))
    return TokenRows(token_ids, learned, rows.texts), whole


def _lengths(rows: TokenRows) -> np.ndarray:
    return np.array([len(row) for row in rows.token_ids], np.int32)
