"""Draws the next token of each row, as ops. What a row gets depends on its own logits, options and seed alone.

The order is that of transformers: repetition penalty, temperature, top k, top p, min p. A token is drawn by adding
Gumbel noise to the logits and taking the largest sum.
"""

from __future__ import annotations

import tensorflow as tf

from sftkeras.generation.options import Options

_NEVER = tf.float32.min / 2  # a logit of what is not drawn
_SMALLEST = 1e-20  # of the uniform numbers: their logarithm is taken


def next_tokens(logits: tf.Tensor, history: tf.Tensor, options: Options, numbers: tf.Tensor) -> tf.Tensor:
    """Return the next token of each row, [batch] int32.

    Args:
        logits: [batch, vocabulary] float32.
        history: the tokens of prompt and text, [batch, any] int32 in any order; -1 is none.
        options: of the rows.
        numbers: how many tokens each text has, [batch] int32: the noise of each is another.
    """
    penalty = options.repetition_penalty[:, tf.newaxis]
    logits = tf.cond(
        tf.reduce_any(penalty != 1.0), lambda: _penalised(logits, history, penalty), lambda: tf.identity(logits)
    )

    def drawn() -> tf.Tensor:
        is_drawn = options.temperature > 0
        scaled = logits / tf.where(is_drawn, options.temperature, 1.0)[:, tf.newaxis]
        scaled = tf.where(scaled >= _limits(scaled, options), scaled, _NEVER)
        return tf.argmax(tf.where(is_drawn[:, tf.newaxis], scaled + _noise(logits, options.seed, numbers), logits), -1)

    token = tf.cond(tf.reduce_any(options.temperature > 0), drawn, lambda: tf.argmax(logits, -1))
    return tf.cast(token, tf.int32)


def _penalised(logits: tf.Tensor, history: tf.Tensor, penalty: tf.Tensor) -> tf.Tensor:
    known = history >= 0
    rows = tf.broadcast_to(tf.range(tf.shape(history)[0])[:, tf.newaxis], tf.shape(history))
    places = tf.stack([tf.boolean_mask(rows, known), tf.boolean_mask(history, known)], 1)
    found = tf.gather_nd(logits, places)
    penalties = tf.gather(tf.squeeze(penalty, 1), places[:, 0])
    return tf.tensor_scatter_nd_update(logits, places, tf.where(found > 0, found / penalties, found * penalties))


def _limits(scaled: tf.Tensor, options: Options) -> tf.Tensor:
    """The smallest logit of each row that is drawn, [batch, 1]."""
    top_k, top_p = options.top_k, options.top_p
    count = tf.shape(scaled)[1]

    def by_order() -> tf.Tensor:
        ordered = tf.math.top_k(scaled, count).values
        last = tf.gather(ordered, tf.clip_by_value(top_k - 1, 0, count - 1), batch_dims=1)
        last = tf.where(top_k > 0, last, _NEVER)[:, tf.newaxis]
        probabilities = tf.nn.softmax(tf.where(ordered >= last, ordered, _NEVER))
        before = tf.cumsum(probabilities, axis=1, exclusive=True)
        # The first is always drawn; what a user calls 1 keeps all, whatever rounding makes of the sum.
        kept = (before < top_p[:, tf.newaxis]) | (tf.range(count) == 0) | (top_p[:, tf.newaxis] >= 1.0)
        nucleus = tf.reduce_min(tf.where(kept, ordered, tf.float32.max), axis=1, keepdims=True)
        return tf.maximum(last, nucleus)

    ordered = tf.cond(
        tf.reduce_any((top_k > 0) | (top_p < 1.0)), by_order, lambda: tf.fill([tf.shape(scaled)[0], 1], _NEVER)
    )
    least = tf.reduce_max(scaled, 1, keepdims=True) + tf.math.log(options.min_p)[:, tf.newaxis]
    return tf.maximum(ordered, least)


def _noise(logits: tf.Tensor, seeds: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
    """Gumbel noise of each row, [batch, vocabulary]."""
    size = [tf.shape(logits)[1]]

    def of_row(seed: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_uniform(size, seed, minval=_SMALLEST, alg="philox")

    seeds = tf.stack([seeds, tf.cast(numbers, tf.int64)], 1)
    uniform = tf.map_fn(of_row, seeds, fn_output_signature=tf.TensorSpec([None], tf.float32))
    return -tf.math.log(-tf.math.log(uniform))
