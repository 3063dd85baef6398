"""The largest of some sizes, also where there are none, as in an empty batch."""

from __future__ import annotations

import tensorflow as tf


def largest(sizes: tf.Tensor, least: int) -> tf.Tensor:
    """Return the largest of int32 numbers of any shape, `least` if it is larger or there are none; [] int32."""
    return tf.reduce_max(tf.concat([[least], tf.reshape(sizes, [-1])], 0))
