"""A language model as its evaluation sees it, in memory or exported: losses of rows of tokens, and texts it writes.

Imports no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from sftkeras.evaluation.statistics.token_losses import TokenLosses
from sftkeras.text.marks import ordinary

Progress = Callable[[int], object]


class TokenRows(NamedTuple):
    """Rows of tokens.

    Attributes:
        token_ids: of each row, int32.
        learned: 1 for each token that is learned, else 0, int32.
        texts: the number of the text that each row is of, [rows] int32.
    """

    token_ids: list[np.ndarray]
    learned: list[np.ndarray]
    texts: np.ndarray


class LanguageModel(Protocol):
    """A model whose tokens are numbers.

    Attributes:
        max_length: tokens that a row of training had at most.
        positions: most tokens that it reads, prompt and text together.
        begin_id: the token before a text, if it has one.
    """

    max_length: int
    positions: int
    begin_id: int | None

    def rows(self, texts: Sequence[str]) -> TokenRows:
        """Return the rows of texts, as in training."""
        ...

    def tokens(self, marked: Sequence[str]) -> list[np.ndarray]:
        """Return the tokens of marked texts."""
        ...

    def losses(self, rows: TokenRows) -> np.ndarray:
        """Return for rows that are one batch what `TokenLosses` has: [rows, 3] float64."""
        ...

    def write(
        self, prompts: Sequence[np.ndarray], new_tokens: int, progress: Progress = lambda prompts: None
    ) -> tuple[list[str], np.ndarray]:
        """Write a text after each prompt, greedily.

        Args:
            prompts: token ids.
            new_tokens: most tokens of a text.
            progress: is given the number of prompts of each batch that is done.

        Returns:
            The texts; and whether each ended by itself, [prompts] bool.
        """
        ...

    def decoded(self, rows: Sequence[np.ndarray]) -> list[str]:
        """Return the texts of token ids; of a character that was not finished, U+FFFD."""
        ...


class TokenScorer:
    """Computes losses of learned tokens.

    Args:
        model: of which they are.
        batch_size: rows in one batch.
    """

    def __init__(self, model: LanguageModel, batch_size: int) -> None:
        self._model, self._batch_size = model, batch_size

    def of_rows(self, texts: Sequence[str], progress: Progress = lambda rows: None) -> TokenLosses:
        """Compute the losses of rows.

        Args:
            texts: of the rows.
            progress: is given the number of rows of each batch that is done.
        """
        facts = np.zeros((len(texts), 3))
        order = np.argsort([len(text) for text in texts], kind="stable")  # texts of like length need little padding
        for first in range(0, len(texts), self._batch_size):
            chosen = order[first : first + self._batch_size]
            rows = self._model.rows([texts[row] for row in chosen])
            np.add.at(facts, chosen[rows.texts], self._model.losses(rows))  # a long text may be several rows
            progress(len(chosen))
        return TokenLosses(*facts.T)

    def of_text(self, text: str) -> TokenLosses:
        """Compute the losses of a plain text, a window of as many tokens as a row may have after the other."""
        (ids,) = self._model.tokens([ordinary(text)])
        begin = self._model.begin_id
        size = self._model.max_length - (begin is not None)
        windows = [ids[first : first + size] for first in range(0, len(ids), size)]
        if begin is not None:
            windows = [np.append(np.int32(begin), window) for window in windows]
        facts = []
        for first in range(0, len(windows), self._batch_size):
            batch = windows[first : first + self._batch_size]
            ones = [np.ones_like(window) for window in batch]
            facts.append(self._model.losses(TokenRows(batch, ones, np.arange(len(batch), dtype=np.int32))))
        return TokenLosses(*np.concatenate(facts).T)


def padded(rows: Sequence[np.ndarray], fill: int = 0) -> np.ndarray:
    """Return rows of numbers as one array [rows, longest] int32, with `fill` behind short ones."""
    array = np.full((len(rows), max(map(len, rows), default=0)), fill, np.int32)
    for number, row in enumerate(rows):
        array[number, : len(row)] = row
    return array


def split(values: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """Return values that stand one after another as rows of these lengths."""
    return np.split(values, np.cumsum(lengths)[:-1]) if len(lengths) else []


def flat(rows: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return rows as values that stand one after another, and their lengths, int32: what `split` takes."""
    values = np.concatenate(rows) if rows else np.zeros(0)
    return values.astype(np.int32), np.array([len(row) for row in rows], np.int32)
