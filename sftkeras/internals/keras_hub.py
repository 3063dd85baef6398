"""The parts of KerasHub's transformer layers, which have no public names in KerasHub 0.29, and DeBERTa's layers.

Weights of checkpoints are read into these parts, and the fused layers compute with them.
Tests: tests/internals/test_private_names.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras_hub.layers import TransformerEncoder
from keras_hub.src.models.deberta_v3.disentangled_attention_encoder import DisentangledAttentionEncoder
from keras_hub.src.models.deberta_v3.disentangled_self_attention import DisentangledSelfAttention
from keras_hub.src.models.deberta_v3.relative_embedding import RelativeEmbedding

__all__ = [
    "DisentangledAttentionEncoder",
    "DisentangledSelfAttention",
    "RelativeEmbedding",
    "attention_parts",
    "drop_attention_weights",
    "layer_parts",
    "set_heads",
]

AnyAttention = Any  # a keras.layers.MultiHeadAttention, or a DisentangledSelfAttention


class LayerParts(NamedTuple):
    """Parts of a transformer layer, from its input to its output."""

    attention: AnyAttention
    attention_dropout: keras.layers.Dropout
    attention_norm: keras.layers.LayerNormalization
    intermediate: keras.layers.Dense
    output: keras.layers.Dense
    output_dropout: keras.layers.Dropout
    output_norm: keras.layers.LayerNormalization


class AttentionParts(NamedTuple):
    """The dense layers of an attention, and the dropout of its weights."""

    query: keras.layers.EinsumDense
    key: keras.layers.EinsumDense
    value: keras.layers.EinsumDense
    output: keras.layers.Dense | keras.layers.EinsumDense
    dropout: keras.layers.Dropout
    position_dropout: keras.layers.Dropout | None  # DeBERTa's


def layer_parts(layer: TransformerEncoder | DisentangledAttentionEncoder) -> LayerParts:
    """Return the parts of a built layer."""
    return LayerParts(
        layer._self_attention_layer,
        layer._self_attention_dropout,
        layer._self_attention_layer_norm,
        layer._feedforward_intermediate_dense,
        layer._feedforward_output_dense,
        layer._feedforward_dropout,
        layer._feedforward_layer_norm,
    )


def attention_parts(attention: AnyAttention) -> AttentionParts:
    """Return the parts of a built attention, of BERT's kind or of DeBERTa's."""
    if isinstance(attention, DisentangledSelfAttention):
        return AttentionParts(
            attention._query_dense,
            attention._key_dense,
            attention._value_dense,
            attention._output_dense,
            attention._attn_dropout_layer,
            attention._position_dropout_layer,
        )
    return AttentionParts(
        attention.query_dense,
        attention.key_dense,
        attention.value_dense,
        attention.output_dense,
        attention._dropout_layer,
        None,
    )


def set_heads(attention: AnyAttention, heads: int) -> None:
    """Set how many heads a built attention has, whose kernels have been cut."""
    if isinstance(attention, DisentangledSelfAttention):
        attention.num_heads = heads
    else:
        attention._num_heads = heads


def drop_attention_weights(attention: AnyAttention, rate: float) -> None:
    """Set the dropout of attention weights, which KerasHub takes for that of everything else.

    Keras' attention computes with a number beside its dropout layer.
    """
    attention._dropout = attention_parts(attention).dropout.rate = rate
