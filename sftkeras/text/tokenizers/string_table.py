"""Strings to numbers by constants alone, as fast as a hash table of TensorFlow's and without its state."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from sftkeras.text.tokenizers.rows import first_at_least

_BUCKETS = np.iinfo(np.int64).max


class StringTable:
    """The number of each of some strings.

    Args:
        numbers: by string.

    Raises:
        ValueError: two strings have the same hash of 63 bits.
    """

    def __init__(self, numbers: Mapping[str, int] | Mapping[bytes, int]) -> None:
        strings = np.array([it.encode() if isinstance(it, str) else it for it in numbers], object)
        with tf.init_scope():
            hashes = _hashes(tf.constant(strings, tf.string, [len(strings)])).numpy()
        order = np.argsort(hashes)
        if (hashes[order][1:] == hashes[order][:-1]).any():
            raise ValueError("two strings have the same hash")
        # One more than there are, so that the table is never empty.
        self._hashes = np.append(hashes[order], _BUCKETS)
        self._strings = np.append(strings[order], b"")
        self._numbers = np.append(np.array([*numbers.values()], np.int32)[order], -1).astype(np.int32)

    def __call__(self, strings: tf.Tensor) -> tf.Tensor:
        """Return the numbers of `strings` [n] string, [n] int32: -1 for one that is not in the table."""
        place = first_at_least(self._hashes, _hashes(strings))
        known = tf.gather(self._strings, place) == strings
        return tf.where(known, tf.gather(self._numbers, place), -1)


def _hashes(strings: tf.Tensor) -> tf.Tensor:
    return tf.strings.to_hash_bucket_fast(strings, _BUCKETS)
