"""Features of plain texts for decoders: tokens, long texts as several rows, each token learned once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from sftkeras.tasks.next_tokens import LEARNED, TOKENS
from sftkeras.text import Cleaning, MarkedTokenizer, Tokenizer
from sftkeras.text.features.features import TokenFeatures
from sftkeras.text.marks import ordinary


class PlainTextFeatures(TokenFeatures[Tokenizer]):
    """Tokenises texts and divides long ones into rows.

    A text ends with the token that ends an answer. Each row begins with the token that begins a text; where the model
    has none, with the last token of the row before, which is not learned twice.

    Args:
        tokenizer: of a decoder.
        max_length: tokens a row may have, 2 or more.
        cleaning: what is done to texts first, if anything.
    """

    windows = True

    def __init__(self, tokenizer: Tokenizer, *, max_length: int, cleaning: Cleaning | None = None) -> None:
        super().__init__(tokenizer, max_length=max_length)
        self.cleaning = cleaning
        self.marked = MarkedTokenizer(tokenizer)

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides the features of a text."""
        cleaning = self.cleaning.fingerprint if self.cleaning else ""
        rules = f"plain texts {self.tokenizer.fingerprint} {cleaning} {self.max_length}"
        return hashlib.sha256(rules.encode()).hexdigest()

    def encode_arrays(
        self, texts: list[str], second_texts: list[str] | None = None
    ) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], np.ndarray]:
        """Give the tokens of rows for a cache on disk, and which are learned, without padding.

        Returns:
            `token_ids` and `learned`, as all rows' values and the rows' lengths, int32; and each row's text, a number.
        """
        cleaned = self.cleaning.clean(texts) if self.cleaning else texts
        tokens, _ = self.marked(tf.constant([ordinary(text) for text in cleaned], tf.string))
        rows, learned, numbers = [], [], []
        for number, ids in enumerate(np.split(tokens.flat_values.numpy(), tokens.row_splits.numpy()[1:-1])):
            for row in self._rows(np.append(ids, self.tokenizer.end_ids[:1]).astype(np.int32)):
                rows.append(row)
                learned.append(np.append([0], np.ones(len(row) - 1, np.int32)))
                numbers.append(number)
        lengths = np.array([len(row) for row in rows], np.int32)
        values = {TOKENS: np.concatenate(rows), LEARNED: np.concatenate(learned).astype(np.int32)}
        return {name: (value, lengths) for name, value in values.items()}, np.array(numbers, np.int32)

    def _rows(self, ids: np.ndarray) -> Iterator[np.ndarray]:
        """The rows of a text; of all but their first tokens each is learned."""
        begin, size = self.tokenizer.begin_id, self.max_length - 1
        if begin is not None:
            ids = np.append(np.int32(begin), ids)
        for first in range(0, max(len(ids) - 1, 1), size):
            row = ids[first : first + self.max_length].copy()
            if begin is not None:
                row[0] = begin
            yield row
