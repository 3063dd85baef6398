"""The first of a task's two functions: raw texts to model inputs, traced in training and in serving alike."""

from __future__ import annotations

import hashlib

import numpy as np
import tensorflow as tf

from sftkeras.text.packing import pack, pad
from sftkeras.text.word_piece import WordPiece


class TextFeatures:
    """Tokenises, packs and pads texts or pairs of texts.

    Args:
        tokenizer: splits a text into token numbers.
        max_length: tokens a row may have, special tokens included.
        pairs: whether each example has two texts.
    """

    def __init__(self, tokenizer: WordPiece, *, max_length: int, pairs: bool) -> None:
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.pairs = pairs
        self._encode = tf.function(self.encode, reduce_retracing=True, autograph=False)

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides the features of a text."""
        rules = f"{self.tokenizer.fingerprint} {self.max_length} {self.pairs}"
        return hashlib.sha256(rules.encode()).hexdigest()

    def encode(
        self, texts: tf.Tensor, second_texts: tf.Tensor | None = None
    ) -> tuple[dict[str, tf.RaggedTensor], tf.Tensor]:
        """Gives the features without padding, and each row's length before truncation; see `pack`."""
        second = None if second_texts is None else self.tokenizer(second_texts)
        return pack(
            self.tokenizer(texts),
            second,
            start=self.tokenizer.cls_id,
            end=self.tokenizer.sep_id,
            max_length=self.max_length,
        )

    def __call__(self, texts: tf.Tensor, second_texts: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Gives the model inputs of `texts` [batch] string: token_ids, segment_ids, padding_mask, [batch, length]."""
        packed, _ = self.encode(texts, second_texts)
        return pad(packed)

    def encode_arrays(
        self, texts: list[str], second_texts: list[str] | None = None
    ) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], np.ndarray]:
        """`encode` for a cache on disk: each feature as all rows' values, int32, and the rows' lengths, int64."""
        second = None if second_texts is None else tf.constant(second_texts, tf.string)
        packed, untruncated = self._encode(tf.constant(texts, tf.string), second)
        arrays = {name: (rows.values.numpy(), rows.row_lengths().numpy()) for name, rows in packed.items()}
        return arrays, untruncated.numpy()
