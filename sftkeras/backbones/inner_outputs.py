"""Inner outputs of an encoder: the vectors after each transformer layer, and how its last layer relates tokens."""

from __future__ import annotations

import math

import keras
import tensorflow as tf

from sftkeras.backbones.backbone import Backbone
from sftkeras.backbones.dense.operations import dense
from sftkeras.internals.keras_hub import attention_parts, layer_parts


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
    rows, length = tf.shape(states)[0], tf.shape(states)[1]
    flat = tf.reshape(states, [-1, states.shape[-1]])
    absent = tf.cast(tf.equal(padding_mask, 0), tf.float32)[:, tf.newaxis, tf.newaxis, :] * (tf.float32.min / 2)
    found = []
    for part in (parts.query, parts.key, parts.value):
        vectors = tf.cast(dense(part, flat, training=False), tf.float32)
        size = vectors.shape[-1] // heads
        apart = tf.transpose(tf.reshape(vectors, [rows, length, heads, size]), [0, 2, 1, 3])
        scores = tf.matmul(apart, apart, transpose_b=True) / math.sqrt(size)
        found.append(tf.nn.log_softmax(scores + absent))
    return found
