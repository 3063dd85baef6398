"""Plain texts to rows of tokens: long ones as several rows, each token learned once. Imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from sftkeras.tasks.language_model import TokenRows


def text_rows(texts: Sequence[np.ndarray], *, begin: int | None, end: int, most: int) -> TokenRows:
    """Make rows of texts.

    A text ends with the token that ends an answer. Each row begins with the token that begins a text; where the model
    has none, with the last token of the row before, which is not learned twice.

    Args:
        texts: the tokens of each.
        begin: the token that begins a text, if there is one.
        end: the token that ends a text.
        most: tokens that a row may have, 2 or more.
    """
    rows, learned, numbers = [], [], []
    for number, ids in enumerate(texts):
        for row in _rows(np.append(ids, end).astype(np.int32), begin, most):
            rows.append(row)
            learned.append(np.append([0], np.ones(len(row) - 1, np.int32)).astype(np.int32))
            numbers.append(number)
    return TokenRows(rows, learned, np.array(numbers, np.int32))


def _rows(ids: np.ndarray, begin: int | None, most: int) -> Iterator[np.ndarray]:
    """The rows of a text; of all but their first tokens each is learned."""
    if begin is not None:
        ids = np.append(np.int32(begin), ids)
    for first in range(0, max(len(ids) - 1, 1), most - 1):
        row = ids[first : first + most].copy()
        if begin is not None:
            row[0] = begin
        yield row
