"""Features of plain texts for decoders: tokens, long texts as several rows, each token learned once."""

from __future__ import annotations

import hashlib

import numpy as np
import tensorflow as tf

from sftkeras.tasks.causal_lm.rows import text_rows
from sftkeras.tasks.language_model import flat, split
from sftkeras.tasks.next_tokens import LEARNED, TOKENS
from sftkeras.text import Cleaning, MarkedTokenizer, Tokenizer
from sftkeras.text.features.features import TokenFeatures
from sftkeras.text.marks import ordinary


class PlainTextFeatures(TokenFeatures[Tokenizer]):
    """Tokenises texts and divides long ones into rows.

    See `text_rows`.

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

    def tokens(self, texts: list[str]) -> tf.RaggedTensor:
        """Return all tokens of texts, [batch, (tokens)] int32, without those around a text."""
        cleaned = self.cleaning.clean(texts) if self.cleaning else texts
        return self.marked(tf.constant([ordinary(text) for text in cleaned], tf.string))[0]

    def encode_arrays(
        self, texts: list[str], second_texts: list[str] | None = None
    ) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], np.ndarray]:
        """Give the tokens of rows for a cache on disk, and which are learned, without padding.

        Returns:
            `token_ids` and `learned`, as all rows' values and the rows' lengths, int32; and each row's text, a number.
        """
        tokens = self.tokens(texts)
        ids = split(tokens.flat_values.numpy(), tokens.row_lengths().numpy())
        begin, end = self.tokenizer.begin_id, self.tokenizer.end_ids[0]
        rows = text_rows(ids, begin=begin, end=end, most=self.max_length)
        return {TOKENS: flat(rows.token_ids), LEARNED: flat(rows.learned)}, rows.texts
