"""Predictions for parts of texts, such as entities or masks, as rows of one width for a server."""

from __future__ import annotations

import tensorflow as tf


def by_text(values: tf.Tensor, texts: tf.Tensor, count: tf.Tensor, fill: str | float) -> tf.Tensor:
    """Gives each text its parts, in order.

    Args:
        values: [parts, …].
        texts: [parts], the number of the text that each part is of, ascending.
        count: how many texts there are.
        fill: stands where a text has fewer parts than another.

    Returns:
        [count, most parts of a text, …].
    """
    ragged = tf.RaggedTensor.from_value_rowids(values, texts, tf.cast(count, texts.dtype), validate=False)
    return ragged.to_tensor(fill)
