"""KerasHub's transformer encoder layer with the same weights and results in fewer, larger operations.

Stock Keras computes attention through three-dimensional einsums and layer norm through a dozen element-wise ops, each a
pass over memory and back. Here dense layers are two-dimensional matrix products that oneDNN fuses with their bias, and
layer norm and GELU have their gradients written out. benchmarks/step_time.py compares the two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf
from keras_hub.layers import TransformerEncoder


class FusedTransformerEncoder(TransformerEncoder):
    """A post-norm `keras_hub.layers.TransformerEncoder` that runs faster on a CPU.

    Made by `use_fused_encoder_layers` from a built stock layer, whose weights, names and config it keeps.
    """

    def call(self, inputs: tf.Tensor, padding_mask: tf.Tensor | None = None, training: bool | None = None) -> tf.Tensor:
        """Encodes `inputs` [batch, length, hidden]; `padding_mask` [batch, length] is 1 where a token is."""
        shape = tf.shape(inputs)
        hidden = inputs.shape[-1]
        x = tf.reshape(inputs, [-1, hidden])  # [batch * length, hidden]
        attended = self._attend(x, shape[0], shape[1], padding_mask, training)
        attended = self._self_attention_dropout(attended, training=training)
        x = _normalise(self._self_attention_layer_norm, x + attended)
        forward = _dense(self._feedforward_intermediate_dense, x)
        forward = _activate(self._feedforward_intermediate_dense.activation, forward)
        forward = _dense(self._feedforward_output_dense, forward)
        forward = self._feedforward_dropout(forward, training=training)
        return tf.reshape(_normalise(self._feedforward_layer_norm, x + forward), shape)

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

        def split(dense: keras.layers.EinsumDense) -> tf.Tensor:  # [batch, heads, length, size]
            return tf.transpose(tf.reshape(_dense(dense, x), [batch, length, heads, size]), [0, 2, 1, 3])

        query, key, value = (
            split(dense) for dense in (attention.query_dense, attention.key_dense, attention.value_dense)
        )
        scores = tf.matmul(query * (1 / math.sqrt(size)), key, transpose_b=True)  # [batch, heads, length, length]
        if padding_mask is not None:
            absent = tf.cast(tf.equal(padding_mask, 0), scores.dtype)[:, tf.newaxis, tf.newaxis, :]
            scores += absent * (scores.dtype.min / 2)
        weights = attention._dropout_layer(tf.nn.softmax(scores), training=training)
        context = tf.transpose(tf.matmul(weights, value), [0, 2, 1, 3])
        return _dense(attention.output_dense, tf.reshape(context, tf.shape(x)))


def use_fused_encoder_layers(model: keras.Model) -> int:
    """Turns every post-norm `TransformerEncoder` inside `model` into the fused layer, in place.

    Returns:
        How many layers were turned.
    """
    layers = [
        layer for layer in model._flatten_layers() if type(layer) is TransformerEncoder and not layer.normalize_first
    ]
    for layer in layers:
        layer.__class__ = FusedTransformerEncoder
    return len(layers)


@contextmanager
def stock_encoder_layers(model: keras.Model) -> Iterator[None]:
    """Makes the fused layers of `model` stock ones inside the block, for a graph that any TensorFlow differentiates."""
    layers = [layer for layer in model._flatten_layers() if type(layer) is FusedTransformerEncoder]
    for layer in layers:
        layer.__class__ = TransformerEncoder
    try:
        yield
    finally:
        for layer in layers:
            layer.__class__ = FusedTransformerEncoder


def _dense(layer: keras.layers.Dense | keras.layers.EinsumDense, x: tf.Tensor) -> tf.Tensor:
    """`layer` on `x` [rows, inputs], without its activation, as [rows, outputs]."""
    kernel = tf.reshape(layer.kernel.value, [x.shape[-1], -1])
    return _product_plus_bias(x, kernel, tf.reshape(layer.bias.value, [-1]))


@tf.custom_gradient
def _product_plus_bias(
    x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, ...]]]:
    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return (
            tf.matmul(upstream, kernel, transpose_b=True),
            tf.matmul(x, upstream, transpose_a=True),
            _sum_rows(upstream),
        )

    return tf.nn.bias_add(tf.matmul(x, kernel), bias), gradient


def _sum_rows(x: tf.Tensor) -> tf.Tensor:
    """Sum over the rows of `x` as a matrix product, which oneDNN spreads over the cores and BiasAddGrad does not."""
    return tf.squeeze(tf.matmul(tf.ones([1, tf.shape(x)[0]], x.dtype), x), 0)


def _normalise(layer: keras.layers.LayerNormalization, x: tf.Tensor) -> tf.Tensor:
    """Layer norm of `x` [rows, hidden], computed in float32 as Keras does."""
    gamma, beta = tf.cast(layer.gamma.value, tf.float32), tf.cast(layer.beta.value, tf.float32)
    return tf.cast(_layer_norm(tf.cast(x, tf.float32), gamma, beta, tf.constant(layer.epsilon)), x.dtype)


@tf.custom_gradient
def _layer_norm(
    x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor | None, ...]]]:
    centred = x - tf.reduce_mean(x, -1, keepdims=True)
    scale = tf.math.rsqrt(tf.reduce_mean(tf.square(centred), -1, keepdims=True) + epsilon)
    normal = centred * scale

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
        inner = upstream * gamma
        mean = tf.reduce_mean(inner, -1, keepdims=True)
        along = tf.reduce_mean(inner * normal, -1, keepdims=True)
        return (inner - mean - normal * along) * scale, _sum_rows(upstream * normal), _sum_rows(upstream), None

    return normal * gamma + beta, gradient


def _activate(activation: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor) -> tf.Tensor:
    return _exact_gelu(x) if activation is exact_gelu else activation(x)


@keras.saving.register_keras_serializable("sftkeras")
def exact_gelu(x: tf.Tensor) -> tf.Tensor:
    """GELU by the error function, which Hugging Face calls "gelu"; KerasHub's BERT has the tanh approximation."""
    return keras.activations.gelu(x, approximate=False)


@keras.saving.register_keras_serializable("sftkeras")
def tanh_gelu(x: tf.Tensor) -> tf.Tensor:
    """GELU by its tanh approximation, which Hugging Face calls "gelu_new"; Keras' own "gelu" is the exact one."""
    return keras.activations.gelu(x, approximate=True)


@tf.custom_gradient
def _exact_gelu(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    below = 0.5 * (1 + tf.math.erf(x * math.sqrt(0.5)))  # the normal distribution's share below x

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        density = tf.exp(-0.5 * tf.square(x)) * (1 / math.sqrt(2 * math.pi))
        return upstream * (below + x * density)

    return x * below, gradient
