"""KerasHub's transformer encoder layer with the same weights and results in fewer, larger operations.

Stock Keras computes attention through three-dimensional einsums, a pass over memory and back for each part. Here dense
layers are two-dimensional matrix products; see `dense.operations`. DeBERTa's layers are in `fused_deberta`.
benchmarks/step_time.py compares the two.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf
from keras_hub.layers import TransformerEncoder

from sftkeras.backbones.dense.operations import activate, dense, normalise, softmax
from sftkeras.backbones.fused_deberta import FusedDisentangledEncoder, SharedRelativeEmbedding
from sftkeras.backbones.virtual_attention import WithPrefix, context_of_all, keys_of, scores_of_all
from sftkeras.internals.keras import all_layers
from sftkeras.internals.keras_hub import DisentangledAttentionEncoder, RelativeEmbedding, attention_parts


@keras.saving.register_keras_serializable("sftkeras")
class FusedTransformerEncoder(WithPrefix, TransformerEncoder):
    """A post-norm `keras_hub.layers.TransformerEncoder` that runs faster on a CPU.

    Made by `use_fused_encoder_layers` from a built stock layer, whose weights, names and config it keeps.
    """

    def build(self, inputs_shape: tuple) -> None:
        """Makes the parts."""
        super().build(inputs_shape)
        self.set_parts()

    def call(self, inputs: tf.Tensor, padding_mask: tf.Tensor | None = None, training: bool | None = None) -> tf.Tensor:
        """Encodes `inputs` [batch, length, hidden]; `padding_mask` [batch, length] is 1 where a token is."""
        shape = tf.shape(inputs)
        hidden = inputs.shape[-1]
        x = tf.reshape(inputs, [-1, hidden])  # [batch * length, hidden]
        attended = self._attend(x, shape[0], shape[1], padding_mask, training)
        attended = self._self_attention_dropout(attended, training=training)
        x = normalise(self._self_attention_layer_norm, x + attended)
        forward = dense(self._feedforward_intermediate_dense, x)
        forward = activate(self._feedforward_intermediate_dense.activation, forward)
        forward = dense(self._feedforward_output_dense, forward)
        forward = self._feedforward_dropout(forward, training=training)
        return tf.reshape(normalise(self._feedforward_layer_norm, x + forward), shape)

    def _attend(
        self,
        x: tf.Tensor,
        batch: tf.Tensor,
        length: tf.Tensor,
        padding_mask: tf.Tensor | None,
        training: bool | None,
    ) -> tf.Tensor:
        """Multi-head self-attention of `x` [batch * length, hidden], same shape out."""
        attention = self._self_attention_layer
        heads, size = attention.num_heads, attention.key_dim

        def split(layer: keras.layers.EinsumDense) -> tf.Tensor:  # [batch, heads, length, size]
            return tf.transpose(tf.reshape(dense(layer, x), [batch, length, heads, size]), [0, 2, 1, 3])

        query, key, value = (
            split(layer) for layer in (attention.query_dense, attention.key_dense, attention.value_dense)
        )
        query *= 1 / math.sqrt(size)
        scores = tf.matmul(query, key, transpose_b=True)  # [batch, heads, length, length]
        if padding_mask is not None:
            absent = tf.cast(tf.equal(padding_mask, 0), scores.dtype)[:, tf.newaxis, tf.newaxis, :]
            scores += absent * (scores.dtype.min / 2)
        virtual = keys_of(self.prefix, scores.dtype)
        weights = softmax(scores_of_all(query, scores, virtual))
        weights = attention_parts(attention).dropout(weights, training=training)
        context = tf.transpose(context_of_all(weights, value, virtual), [0, 2, 1, 3])
        return dense(attention.output_dense, tf.reshape(context, [batch * length, heads * size]))


_FUSED = {
    TransformerEncoder: FusedTransformerEncoder,
    DisentangledAttentionEncoder: FusedDisentangledEncoder,
    RelativeEmbedding: SharedRelativeEmbedding,
}
_STOCK = {fused: stock for stock, fused in _FUSED.items()}


def use_fused_encoder_layers(model: keras.Model) -> int:
    """Turns every encoder layer inside `model` that has a fused form into it, in place; pre-norm layers have none.

    Returns:
        How many layers were turned.
    """
    layers = [
        layer for layer in all_layers(model) if type(layer) in _FUSED and not getattr(layer, "normalize_first", False)
    ]
    for layer in layers:
        layer.__class__ = _FUSED[type(layer)]
    return sum(not isinstance(layer, RelativeEmbedding) for layer in layers)


@contextmanager
def stock_encoder_layers(model: keras.Model) -> Iterator[None]:
    """Makes the fused layers of `model` stock ones inside the block, for a graph that any TensorFlow differentiates."""
    layers = [layer for layer in all_layers(model) if type(layer) in _STOCK]
    for layer in layers:
        layer.__class__ = _STOCK[type(layer)]
    try:
        yield
    finally:
        for layer in layers:
            layer.__class__ = _FUSED[type(layer)]
