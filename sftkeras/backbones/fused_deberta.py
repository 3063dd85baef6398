"""KerasHub's DeBERTa layers with the same weights and results in fewer, smaller operations.

Stock KerasHub projects all relative positions anew for each row of a batch and copies their scores' indexes to every
head. Here only the distances that a row of this length has are projected, once for the batch, and scores move to their
places by a shift in memory.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from sftkeras.backbones.dense.operations import activate, dense, normalise, softmax
from sftkeras.backbones.dropout import shared_by_rows
from sftkeras.backbones.parts_config import PartsInConfig
from sftkeras.backbones.virtual_attention import WithPrefix, context_of_all, keys_of, scores_of_all
from sftkeras.internals.keras_hub import (
    DisentangledAttentionEncoder,
    DisentangledSelfAttention,
    RelativeEmbedding,
    attention_parts,
)


@keras.saving.register_keras_serializable("sftkeras")
class SharedRelativeEmbedding(PartsInConfig, RelativeEmbedding):
    """Relative positions without a copy for each row."""

    def build(self, inputs_shape: tuple) -> None:
        """Makes the layer norm, which the stock layer leaves to its first call: too late for weights to be loaded."""
        self.layer_norm.build(self.rel_embeddings.shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Gives the normalised table, [1, 2 * buckets, hidden], whatever the inputs."""
        return self.layer_norm(tf.cast(self.rel_embeddings.value, inputs.dtype)[tf.newaxis])


@keras.saving.register_keras_serializable("sftkeras")
class FusedDisentangledEncoder(WithPrefix, DisentangledAttentionEncoder):
    """A `DisentangledAttentionEncoder` that runs faster; see `sftkeras.backbones.fused_transformer`."""

    def build(self, inputs_shape: tuple) -> None:
        """Makes the parts."""
        super().build(inputs_shape)
        self.set_parts()

    def call(
        self,
        inputs: tf.Tensor,
        rel_embeddings: tf.Tensor,
        padding_mask: tf.Tensor | None = None,
        attention_mask: None = None,
    ) -> tf.Tensor:
        """Encodes `inputs` [batch, length, hidden]; `padding_mask` [batch, length] is 1 where a token is."""
        shape = tf.shape(inputs)
        x = tf.reshape(inputs, [-1, inputs.shape[-1]])  # [batch * length, hidden]
        attended = self._attend(x, rel_embeddings[0], shape[0], shape[1], padding_mask)
        x = normalise(self._self_attention_layer_norm, x + self._self_attention_dropout(attended))
        forward = dense(self._feedforward_intermediate_dense, x)
        forward = activate(self._feedforward_intermediate_dense.activation, forward)
        forward = self._feedforward_dropout(dense(self._feedforward_output_dense, forward))
        return tf.reshape(normalise(self._feedforward_layer_norm, x + forward), shape)

    def _attend(
        self, x: tf.Tensor, positions: tf.Tensor, batch: tf.Tensor, length: tf.Tensor, padding_mask: tf.Tensor | None
    ) -> tf.Tensor:
        """Disentangled self-attention of `x` [batch * length, hidden], same shape out."""
        attention = self._self_attention_layer
        parts = attention_parts(attention)
        heads, size = attention.num_heads, attention.attn_head_size

        def split(
            layer: keras.layers.EinsumDense,
            x: tf.Tensor,
            rows: tf.Tensor,
            places: tf.Tensor,
            training: bool | None = None,
        ) -> tf.Tensor:
            """[rows, heads, places, size]; both are given, since there may be none of either."""
            apart = tf.reshape(dense(layer, x, training), [rows, places, heads, size])
            return tf.transpose(apart, [0, 2, 1, 3])

        query, key, value = (split(layer, x, batch, length) for layer in (parts.query, parts.key, parts.value))
        scaled = attention.scale_factor
        query, scaled_key = query * scaled, key * scaled
        # Row n is for the distance n - length + 1; one row more than there are distances, for the shift.
        distances = tf.range(2 * length) - (length - 1)
        assert parts.position_dropout is not None
        with shared_by_rows():
            positions = parts.position_dropout(positions)
        # [1, heads, 2 * length, size]; the dropout of an adapter is a function of the row, and these are of none.
        to_key, to_query = (
            split(layer, tf.gather(positions, _buckets(attention, away)), 1, 2 * length, training=False)
            for layer, away in ((parts.key, -distances), (parts.query, distances))
        )
        scores = tf.matmul(query, key, transpose_b=True)  # [batch, heads, length (query), length (key)]
        scores += _shift(tf.matmul(query, to_key, transpose_b=True))
        scores += tf.transpose(_shift(tf.matmul(scaled_key, to_query, transpose_b=True)), [0, 1, 3, 2])
        if padding_mask is not None:
            absent = tf.cast(tf.equal(padding_mask, 0), scores.dtype)[:, tf.newaxis, tf.newaxis, :]
            scores += absent * (scores.dtype.min / 2)
        # Virtual tokens have no place, so only the contents of their keys count.
        virtual = keys_of(self.prefix, scores.dtype)
        weights = parts.dropout(softmax(scores_of_all(query, scores, virtual)))
        context = tf.transpose(context_of_all(weights, value, virtual), [0, 2, 1, 3])
        return dense(parts.output, tf.reshape(context, [batch * length, heads * size]))


def _shift(scores: tf.Tensor) -> tf.Tensor:
    """Moves the score of place i and row n to the place j that is n - length + 1 after i.

    Args:
        scores: [batch, heads, length, 2 * length].

    Returns:
        [batch, heads, length, length].
    """
    shape = tf.shape(scores)
    batch, heads, length = shape[0], shape[1], shape[2]
    # Row by row in memory, that is 2 * length * i + (j - i + length - 1): rows of one less, from length - 1 on.
    flat = tf.reshape(scores, [batch, heads, 2 * length * length])
    rows = flat[:, :, length - 1 : length - 1 + length * (2 * length - 1)]
    return tf.reshape(rows, [batch, heads, length, tf.maximum(2 * length - 1, 0)])[:, :, :, :length]


def _buckets(attention: DisentangledSelfAttention, distances: tf.Tensor) -> tf.Tensor:
    """The row of the table of relative positions for each distance of a query from a key, any shape."""
    most = attention.max_position_embeddings
    return tf.gather(_bucket_table(attention.bucket_size, most), tf.clip_by_value(distances, -most, most) + most)


def _bucket_table(buckets: int, most: int) -> np.ndarray:
    """Rows for the distances -most to most: one each for those near zero, then ever more distances to a row.

    As Hugging Face computes them, in float32 and in this order: a bucket may begin one place off otherwise.
    """
    distances = np.arange(-most, most + 1)
    middle = buckets // 2
    far = np.maximum(np.abs(distances), middle).astype(np.float32) / np.float32(middle)
    steps = np.log(far) / np.log(np.float32((most - 1) / middle)) * np.float32(middle - 1)
    rows = np.where(np.abs(distances) <= middle, distances, np.sign(distances) * (np.ceil(steps) + middle))
    return np.clip(rows + buckets, 0, 2 * buckets - 1).astype(np.int32)
