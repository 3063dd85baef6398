"""Inner outputs of an encoder: the vectors after each transformer layer, its attention, and how it relates tokens."""

from __future__ import annotations

import math

import keras
import tensorflow as tf

from sftkeras.backbones.backbone import Backbone
from sftkeras.backbones.dense.operations import dense
from sftkeras.internals.keras_hub import DisentangledSelfAttention, attention_parts, layer_parts


def has_inner_outputs(backbone: Backbone) -> bool:
    """Return whether it is an encoder that was rebuilt, each of whose layers is run once, for tokens of texts alone."""
    if backbone.virtual and backbone.virtual.kind == "prompt":
        return False
    return backbone.kind == "encoder" and bool(backbone.layers) and len(backbone.layers) == backbone.model.num_layers


def with_inner_outputs(network: keras.Model, backbone: Backbone) -> keras.Model:
    """Return a network that also gives inner outputs; it shares all layers.

    Args:
        network: model inputs to logits.
        backbone: the encoder in it, which `has_inner_outputs`.

    Returns:
        Model inputs to `{"logits", "0", "1", …}`: "0" are the vectors before the first transformer layer, the others
        those after each, [rows, length, hidden].
    """
    first = backbone.layers[0].input
    states = [first[0] if isinstance(first, list) else first, *(layer.output for layer in backbone.layers)]
    outputs = {"logits": network.output, **{str(number): state for number, state in enumerate(states)}}
    return keras.Model(network.input, outputs, name=f"inner_{network.name}")


def attention_heads(backbone: Backbone) -> int:
    """Return how many heads the attention of an encoder's layers has."""
    return int(backbone.model.num_heads)


def relations(layer: keras.layers.Layer, states: tf.Tensor, padding_mask: tf.Tensor, heads: int) -> list[tf.Tensor]:
    """Return how near the queries, the keys and the values of the tokens are to one another, as logarithms of shares.

    These are the relations of MiniLMv2 (Wang et al., 2021, arXiv:2012.15828): vectors of all attention heads side by
    side, cut into so many relation heads.

    Args:
        layer: a transformer layer.
        states: what goes into it, [rows, length, hidden].
        padding_mask: [rows, length], 1 where a token is.
        heads: relation heads, which divide the width of its queries.

    Returns:
        Of queries, keys and values [rows, heads, length, length] float32; of each token, the shares of all tokens.
    """
    parts = attention_parts(layer_parts(layer).attention)
    absent = tf.cast(tf.equal(padding_mask, 0), tf.float32)[:, tf.newaxis, tf.newaxis, :] * (tf.float32.min / 2)
    found = []
    for part in (parts.query, parts.key, parts.value):
        vectors = _of_heads(part, states, heads)
        found.append(tf.nn.log_softmax(_scores(vectors, vectors) + absent))
    return found


def has_plain_attention(backbone: Backbone) -> bool:
    """Return whether queries and keys alone decide the attention of an encoder's layers, and no distances of tokens."""
    return not isinstance(layer_parts(backbone.layers[0]).attention, DisentangledSelfAttention)


def attention_scores(layer: keras.layers.Layer, states: tf.Tensor) -> tf.Tensor:
    """Return the attention of a layer before softmax, [rows, heads, length, length] float32, padding not masked.

    Args:
        layer: a transformer layer with plain attention.
        states: what goes into it, [rows, length, hidden].
    """
    attention = layer_parts(layer).attention
    parts = attention_parts(attention)
    query, key = (_of_heads(part, states, attention.num_heads) for part in (parts.query, parts.key))
    return _scores(query, key)


def _of_heads(part: keras.layers.EinsumDense, states: tf.Tensor, heads: int) -> tf.Tensor:
    """The queries, keys or values of states, cut into so many heads, [rows, heads, length, size] float32."""
    rows, length = tf.shape(states)[0], tf.shape(states)[1]
    vectors = tf.cast(dense(part, tf.reshape(states, [-1, states.shape[-1]]), training=False), tf.float32)
    apart = tf.reshape(vectors, [rows, length, heads, vectors.shape[-1] // heads])
    return tf.transpose(apart, [0, 2, 1, 3])


def _scores(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """The scaled products of all vectors with all others of a row and head, [rows, heads, length, length]."""
    return tf.matmul(one, other, transpose_b=True) / math.sqrt(one.shape[-1])
