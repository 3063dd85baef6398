"""Divergences of two predictions for the same rows: symmetric, and 0 where they are equal.

Half of both Kullback-Leibler divergences, as R-Drop has it (Liang et al., 2021, arXiv:2106.14448).
"""

from __future__ import annotations

import tensorflow as tf


def between_classes(first: tf.Tensor, second: tf.Tensor, axis: int = -1) -> tf.Tensor:
    """Return the divergence of two distributions over classes that exclude each other.

    Args:
        first: logits, any shape.
        second: other logits of the same shape.
        axis: that of the classes, which is left out of the result.
    """
    p, q = (tf.nn.log_softmax(logits, axis) for logits in (first, second))
    return tf.reduce_sum((tf.exp(p) - tf.exp(q)) * (p - q), axis) / 2


def between_chances(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """Return the divergence of two yes-or-no predictions, each given by its logit; any shape, which the result has."""
    return (tf.sigmoid(first) - tf.sigmoid(second)) * (first - second) / 2
