"""The likeliest span of each row, in the graph: how every place is rated as its first and as its last token."""

from __future__ import annotations

from typing import NamedTuple

import keras
import tensorflow as tf

NEVER = -1e9  # a rating that no span of legal places falls below
# Ratings are compared in steps of this: among spans as good as each other, rounding must not choose, since it differs
# from machine to machine. A context that repeats itself has many.
_STEP = 1e-3


class BestSpans(NamedTuple):
    """The best span of each row, [rows] each.

    Attributes:
        first: int32, the place of its first token.
        last: int32, that of its last.
        rating: float32, by how much it is rated above "not here", which is the first token; a logarithm of odds.
        total: float32, the same of all legal spans together.
    """

    first: tf.Tensor
    last: tf.Tensor
    rating: tf.Tensor
    total: tf.Tensor


def best_spans(logits: tf.Tensor, legal: tf.Tensor, most_tokens: int) -> BestSpans:
    """Finds the best span of each row, the first of several as good.

    Args:
        logits: [rows, length, 2] float32: of every place, as the first and as the last token.
        legal: [rows, length] bool, where an answer may begin and end.
        most_tokens: how long it may be.

    Returns:
        Rows without a legal place have a rating and a total that are about `-1e9`.
    """
    # One place more, where nothing may be: the rows of no texts have no length, which argmax refuses.
    logits, legal = tf.pad(logits, [[0, 0], [0, 1], [0, 0]]), tf.pad(legal, [[0, 0], [0, 1]])
    rows, length = tf.shape(legal)[0], tf.shape(legal)[1]
    nowhere = logits[:, 0, 0] + logits[:, 0, 1]
    first = tf.where(legal, logits[:, :, 0], NEVER)
    last = tf.pad(tf.where(legal, logits[:, :, 1], NEVER), [[0, 0], [0, most_tokens]], constant_values=NEVER)
    lasts = tf.range(length)[:, tf.newaxis] + tf.range(most_tokens)[tf.newaxis]  # [length, most_tokens]
    ratings = first[:, :, tf.newaxis] + tf.gather(last, lasts, axis=1) - nowhere[:, tf.newaxis, tf.newaxis]
    ratings = tf.reshape(ratings, [rows, length * most_tokens])
    best = tf.argmax(tf.round(ratings / _STEP), 1, output_type=tf.int32)
    return BestSpans(
        best // most_tokens,
        tf.minimum(best // most_tokens + best % most_tokens, length - 1),
        tf.gather(ratings, best, batch_dims=1),
        tf.reduce_logsumexp(ratings, 1),
    )


def best_rows(ratings: tf.Tensor, groups: tf.Tensor) -> tf.Tensor:
    """The row with the highest rating of each group, the first of several as good.

    Args:
        ratings: [rows] float32.
        groups: [rows] int32, ascending, and none left out.

    Returns:
        [groups] int32.
    """
    steps = tf.round(ratings / _STEP)
    highest = tf.gather(tf.math.segment_max(steps, groups), groups)
    rows = tf.range(tf.size(groups))
    return tf.math.segment_min(tf.where(steps == highest, rows, tf.size(groups)), groups)


@keras.saving.register_keras_serializable("sftkeras")
class NowhereInPadding(keras.layers.Layer):
    """Rates padding so low that nothing begins or ends there, in float32."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})

    def call(self, logits: tf.Tensor, padding_mask: tf.Tensor) -> tf.Tensor:
        """Rates `logits` [rows, length, 2] under `padding_mask` [rows, length]."""
        return tf.where(tf.cast(padding_mask, tf.bool)[:, :, tf.newaxis], logits, NEVER)

    def compute_output_shape(self, logits_shape: tuple, padding_mask_shape: tuple) -> tuple:
        """[rows, length, 2]."""
        return logits_shape


class SpanF1(keras.metrics.Metric):
    """F1 of the tokens that the answered and the true span share, averaged over the rows of the model inputs.

    A context that is divided into windows counts as several. "Not here" is right or wrong as a whole.
    """

    _direction = "up"

    def __init__(self, most_tokens: int, name: str = "span_f1") -> None:
        super().__init__(name=name, dtype="float32")
        self._most_tokens = most_tokens
        self._sum, self._rows = (self.add_variable((), "zeros", name=part) for part in ("sum", "rows"))

    def update_state(self, truths: tf.Tensor, predictions: tf.Tensor, sample_weight: None = None) -> None:
        """Counts some rows.

        Args:
            truths: [rows, 2] int32, the places of the first and the last token; 0 and 0 for "not here".
            predictions: [rows, length, 2] probabilities of every place.
            sample_weight: not used.
        """
        logits = tf.math.log(tf.maximum(predictions, 1e-30))
        legal = (predictions[:, :, 0] > 0) & (tf.range(tf.shape(predictions)[1]) > 0)[tf.newaxis]
        best = best_spans(logits, legal, self._most_tokens)
        here = best.rating > 0
        first, last = tf.where(here, best.first, 0), tf.where(here, best.last, 0)
        true_first, true_last = (tf.cast(truths[:, end], tf.int32) for end in (0, 1))
        shared = tf.maximum(tf.minimum(last, true_last) - tf.maximum(first, true_first) + 1, 0)
        f1 = 2 * shared / (last - first + true_last - true_first + 2)
        self._sum.assign_add(tf.cast(tf.reduce_sum(f1), tf.float32))
        self._rows.assign_add(tf.cast(tf.size(first), tf.float32))

    def result(self) -> tf.Tensor:
        """The mean so far, 0 without rows."""
        return tf.math.divide_no_nan(self._sum.value, self._rows.value)
