"""Predictions for parts of texts, such as entities or masks, as rows of one width for a server."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from sftkeras.text.tokenizers.rows import in_rows

Values = Mapping[str, tuple[tf.Tensor, str | float]]
"""Values of all parts, [parts, …], by their names, each with what stands where a text has fewer parts than another."""


def by_text(values: Values, texts: tf.Tensor, count: tf.Tensor) -> dict[str, tf.Tensor]:
    """Gives each text its parts, in order.

    Args:
        values: of the parts.
        texts: [parts], the number of the text that each part is of, ascending.
        count: how many texts there are.

    Returns:
        Each of the values as [count, most parts of a text, …].
    """
    rows = in_rows(texts, texts, count)
    return {name: rows.with_values(parts).to_tensor(fill) for name, (parts, fill) in values.items()}
