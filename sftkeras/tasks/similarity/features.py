"""Features of tasks that compare texts by their vectors: each text of a pair is a row by itself (a bi-encoder)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from sftkeras.text.features.features import Features
from sftkeras.text.features.single_rows import TextFeatures

# Before the names of the features of a pair's texts, in the token cache.
FIRST, SECOND = "first_", "second_"


class BiEncoderFeatures(Features):
    """Packs single texts. What is served takes one text; the token cache has both texts of a pair in one row.

    Args:
        single: the features of one text.
    """

    def __init__(self, single: TextFeatures) -> None:
        self._single = single
        self.max_length = single.max_length
        self.cleaning = single.cleaning
        self._pack = tf.function(single.pack, reduce_retracing=True, autograph=False)

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides the features of a text."""
        return hashlib.sha256(f"{self._single.fingerprint} two texts a row".encode()).hexdigest()

    @property
    def resources(self) -> Sequence[Any]:
        """Resources of the features of one text."""
        return self._single.resources

    def __call__(self, texts: tf.Tensor, second_texts: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Gives the model inputs of `texts` [batch] string: token_ids, segment_ids, padding_mask, [batch, length].

        Raises:
            ValueError: there are second texts.
        """
        return self._single(texts, second_texts)

    def encode_arrays(
        self, texts: list[str], second_texts: list[str] | None = None
    ) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], np.ndarray]:
        """The features of both texts for a cache on disk. A row is as long as its longer text.

        Returns:
            Each feature (`first_token_ids`, `second_token_ids`, `first_padding_mask` and so on) as all rows' values and
            the rows' lengths, int32; and the length of each row's longer text before truncation.

        Raises:
            ValueError: there are no second texts.
        """
        if second_texts is None:
            raise ValueError("these features are made for pairs of texts")
        packed, untruncated = {}, []
        for side, of_side in ((FIRST, texts), (SECOND, second_texts)):
            inputs, sizes = self._pack(tf.constant(of_side, tf.string))
            packed.update({side + name: tensor.numpy() for name, tensor in inputs.items()})
            untruncated.append(sizes.numpy())
        lengths = np.maximum(*(packed[f"{side}padding_mask"].sum(1, dtype=np.int32) for side in (FIRST, SECOND)))
        rows = {name: (_first_of_each(array, lengths), lengths) for name, array in packed.items()}
        return rows, np.maximum(*untruncated)

    def show(self, inputs: dict[str, np.ndarray], row: int) -> str:
        """The tokens of one text of a batch, and how much of its row is padding."""
        return self._single.show(inputs, row)


def _first_of_each(array: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """So many values of each row [rows, any], one row after another; zeros where a row has fewer."""
    width = int(lengths.max(initial=0))
    filled = np.zeros((len(array), width), array.dtype)
    filled[:, : array.shape[1]] = array[:, :width]
    return filled[np.arange(width) < lengths[:, np.newaxis]]


def rows_of_texts(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Turn the token cache's pairs, [pairs, length], into model inputs of single texts, [2 * pairs, length].

    The two texts of a pair stand one after the other.
    """
    rows = {}
    for name in inputs:
        if name.startswith(FIRST):
            both = np.stack([inputs[name], inputs[SECOND + name.removeprefix(FIRST)]], axis=1)  # [pairs, 2, length]
            rows[name.removeprefix(FIRST)] = both.reshape(-1, both.shape[-1])
    return rows
