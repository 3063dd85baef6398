"""Causal attention: which tokens a token sees, rotary positions, and heads that share keys and values."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf

from sftkeras.backbones.decoders.config import Rope
from sftkeras.backbones.dense.operations import product
from sftkeras.backbones.virtual_attention import KeysAndValues, context_of_all, scores_of_all

HIDDEN_SCORE = tf.float32.min / 2  # added to a score, leaves nothing of it


def score_bias(segments: tf.Tensor, window: int | None) -> tf.Tensor:
    """Bias added to the scores of a whole sequence: 0 where a token sees another one.

    A token sees itself and what comes before it in its own segment, at most `window` tokens.

    Args:
        segments: [batch, length] int32.
        window: tokens that one sees, itself included; None is all.

    Returns:
        [batch, 1, length, length] float32: of each token the others.
    """
    places = tf.range(tf.shape(segments)[1])
    distance = places[:, tf.newaxis] - places  # [length, length]
    seen = (segments[:, :, tf.newaxis] == segments[:, tf.newaxis, :]) & (distance >= 0)
    if window is not None:
        seen &= distance < window
    return tf.where(seen, 0.0, HIDDEN_SCORE)[:, tf.newaxis]


def cache_bias(positions: tf.Tensor, length: tf.Tensor | int, window: int | None) -> tf.Tensor:
    """Attention bias of new tokens over a cache: each attends to the places up to its own.

    Args:
        positions: [batch, new] int32, their own places.
        length: places of the cache.
        window: as of `score_bias`.

    Returns:
        [batch, 1, new, length] float32.
    """
    distance = positions[:, :, tf.newaxis] - tf.range(length)
    seen = distance >= 0
    if window is not None:
        seen &= distance < window
    return tf.where(seen, 0.0, HIDDEN_SCORE)[:, tf.newaxis]


def virtual_bias(positions: tf.Tensor, tokens: int, window: int | None) -> tf.Tensor:
    """Attention bias of tokens over virtual ones, which have the first positions; see `score_bias`.

    Args:
        positions: [batch, new] int32, counted from the first virtual token.
        tokens: virtual tokens.
        window: as of `score_bias`.

    Returns:
        [batch, 1, new, tokens] float32.
    """
    distance = positions[:, :, tf.newaxis] - tf.range(tokens)
    seen = tf.ones_like(distance, tf.bool) if window is None else distance < window
    return tf.where(seen, 0.0, HIDDEN_SCORE)[:, tf.newaxis]


def turns(rope: Rope, positions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Cosines and sines of `positions` [batch, length] for `turn`, each [batch, 1, length, turning numbers] float32."""
    angles = tf.cast(positions, tf.float32)[:, tf.newaxis, :, tf.newaxis] * tf.constant(rope.frequencies, tf.float32)
    cosine, sine = tf.cos(angles) * rope.factor, tf.sin(angles) * rope.factor
    return tf.concat([cosine, cosine], -1), tf.concat([-sine, sine], -1)


def turn(x: tf.Tensor, cosine: tf.Tensor, sine: tf.Tensor) -> tf.Tensor:
    """`x` [batch, heads, length, size] with its first numbers turned, as many as `turns` gave."""
    turning = cosine.shape[-1]
    if turning == x.shape[-1]:
        return _turn(x, cosine, sine)
    first, rest = tf.split(x, [turning, x.shape[-1] - turning], -1)
    return tf.concat([_turn(first, cosine, sine), rest], -1)


@tf.custom_gradient
def _turn(
    x: tf.Tensor, cosine: tf.Tensor, sine: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor | None, ...]]]:
    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
        return upstream * cosine + _halves_swapped(upstream * sine), None, None

    return x * cosine + _halves_swapped(x) * sine, gradient


def _halves_swapped(x: tf.Tensor) -> tf.Tensor:
    return tf.concat(tf.split(x, 2, -1)[::-1], -1)


def attend(
    query: tf.Tensor,
    key: tf.Tensor,
    value: tf.Tensor,
    bias: tf.Tensor,
    *,
    virtual: KeysAndValues | None = None,
    soft_cap: float | None,
    dropout: keras.layers.Dropout,
    training: bool | None,
) -> tf.Tensor:
    """Attention in which each head of keys and values serves as many heads of queries as there are for it.

    The heads that share one are rows of one product, so that keys and values are not repeated.

    Args:
        query: [batch, heads, length, size], scaled.
        key: [batch, key_value_heads, places, size].
        value: as `key`.
        bias: added to the scores, [batch, 1, length, places], virtual tokens before all places.
        virtual: keys and values of virtual tokens, if there are any.
        soft_cap: scores s become cap * tanh(s / cap) before.
        dropout: of attention weights.
        training: whether it drops.

    Returns:
        [batch, length, heads * size].
    """
    batch, length = tf.shape(query)[0], tf.shape(query)[2]
    heads, size, shared = query.shape[1], query.shape[3], key.shape[1]
    groups = heads // shared
    rows = tf.reshape(query, [batch, shared, groups * length, size])
    scores = scores_of_all(rows, product(rows, key, transpose_b=True), virtual)
    places = tf.shape(scores)[-1]  # of virtual tokens too
    scores = tf.reshape(scores, [batch, heads, length, places])
    if soft_cap is not None:
        scores = soft_cap * tf.tanh(scores * (1 / soft_cap))
    weights = dropout(tf.nn.softmax(scores + bias), training=training)
    weights = tf.reshape(weights, [batch, shared, groups * length, places])
    context = context_of_all(weights, value, virtual)
    context = tf.transpose(tf.reshape(context, [batch, heads, length, size]), [0, 2, 1, 3])
    return tf.reshape(context, [batch, length, heads * size])
