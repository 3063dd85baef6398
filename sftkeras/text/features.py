"""The first of a task's two functions: raw texts to model inputs, traced in training and in serving alike."""

from __future__ import annotations

import hashlib

import numpy as np
import tensorflow as tf

from sftkeras.text.packing import pack
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
        self._pack = tf.function(self.pack, reduce_retracing=True, autograph=False)

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides the features of a text."""
        rules = f"{self.tokenizer.fingerprint} {self.max_length} {self.pairs}"
        return hashlib.sha256(rules.encode()).hexdigest()

    def pack(self, texts: tf.Tensor, second_texts: tf.Tensor | None = None) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Gives the model inputs, and each row's length before truncation; see `sftkeras.text.packing.pack`."""
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
        return self.pack(texts, second_texts)[0]

    def encode_arrays(
        self, texts: list[str], second_texts: list[str] | None = None
    ) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], np.ndarray]:
        """The inputs for a cache on disk, without padding.

        Returns:
            Each feature as all rows' values and the rows' lengths, int32; and each row's length before truncation.
        """
        second = None if second_texts is None else tf.constant(second_texts, tf.string)
        inputs, untruncated = self._pack(tf.constant(texts, tf.string), second)
        arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
        mask = arrays.pop("padding_mask").astype(bool)
        lengths = mask.sum(1, dtype=np.int32)
        return {name: (array[mask], lengths) for name, array in arrays.items()}, untruncated.numpy()
