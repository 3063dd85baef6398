"""Similarity of the texts of a batch's pairs, and figures of it while training, counted in the graph.

Vectors [2 * pairs, hidden] have length one; the two of a pair stand one after the other.
"""

from __future__ import annotations

import keras
import tensorflow as tf

_NEVER = -1e9  # below any cosine, and any cosine over a temperature


def cosines(vectors: tf.Tensor) -> tf.Tensor:
    """The cosine of the two texts of each pair, [pairs]."""
    return tf.reduce_sum(vectors[0::2] * vectors[1::2], axis=-1)


def all_cosines(numbers: tf.Tensor, vectors: tf.Tensor, temperature: float = 1.0) -> tf.Tensor:
    """The cosine of each first text with each second one, over `temperature`, [pairs, pairs].

    A text that stands in several pairs belongs to each of its partners, and to itself: these are no wrong answers, and
    have the least of all values here, but for the partner in the pair itself.

    Args:
        numbers: [2 * pairs] int32, equal for equal texts.
        vectors: those of the texts.
        temperature: above zero.
    """
    first, second = numbers[0::2], numbers[1::2]
    related = (first[:, tf.newaxis] == first) | (second[:, tf.newaxis] == second) | (first[:, tf.newaxis] == second)
    pair = tf.range(tf.size(first))
    scores = tf.matmul(vectors[0::2], vectors[1::2], transpose_b=True) / temperature
    return tf.where(related & (pair[:, tf.newaxis] != pair), _NEVER, scores)


class InBatchAccuracy(keras.metrics.Metric):
    """Share of the texts that are nearer to their partner than to any other text of their batch, in both directions.

    It falls as batches grow, so figures of unlike batches do not compare.
    """

    _direction = "up"

    def __init__(self, name: str = "in_batch_accuracy") -> None:
        super().__init__(name=name, dtype="float32")
        self._hits, self._texts = (self.add_variable((), "zeros", name=part) for part in ("hits", "texts"))

    def update_state(self, truths: tf.Tensor, predictions: tf.Tensor, sample_weight: None = None) -> None:
        """Counts the texts of a whole batch.

        Args:
            truths: [2 * pairs] int32, equal for equal texts.
            predictions: [2 * pairs, hidden] vectors.
            sample_weight: not used.
        """
        scores = all_cosines(truths, predictions)
        partner = tf.linalg.diag_part(scores)
        for axis in (0, 1):
            nearest = partner >= tf.reduce_max(scores, axis)
            self._hits.assign_add(tf.reduce_sum(tf.cast(nearest, tf.float32)))
        self._texts.assign_add(tf.cast(tf.size(truths), tf.float32))

    def result(self) -> tf.Tensor:
        """The share so far, 0 without texts."""
        return tf.math.divide_no_nan(self._hits.value, self._texts.value)


class PearsonCorrelation(keras.metrics.Metric):
    """Linear agreement of numbers and predictions over all batches; Keras' own correlates each row by itself."""

    _direction = "up"

    def __init__(self, name: str = "pearson") -> None:
        super().__init__(name=name, dtype="float32")
        self._sums = self.add_variable((6,), "zeros", name="sums")

    def update_state(self, truths: tf.Tensor, predictions: tf.Tensor, sample_weight: None = None) -> None:
        """Adds `truths` and `predictions`, [pairs] float32 near zero each; `sample_weight` is not used."""
        columns = [tf.ones_like(truths), truths, predictions, truths**2, predictions**2, truths * predictions]
        self._sums.assign_add(tf.stack([tf.reduce_sum(column) for column in columns]))

    def result(self) -> tf.Tensor:
        """The correlation so far, 0 where one of the two does not vary."""
        count, truths, predictions, truths2, predictions2, both = tf.unstack(self._sums.value)
        spread = (count * truths2 - truths**2) * (count * predictions2 - predictions**2)
        return tf.math.divide_no_nan(count * both - truths * predictions, tf.sqrt(tf.maximum(spread, 0.0)))
