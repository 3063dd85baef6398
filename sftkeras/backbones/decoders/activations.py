"""Activations of feed-forward parts, and the product that follows, with their gradients written out.

Only the inputs are kept for the backward pass, which computes the rest again: a decoder's widest tensors are here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from sftkeras.backbones.decoders.config import Activation
from sftkeras.backbones.dense.operations import product
from sftkeras.backbones.dropout import dropout_again

Gradient = Callable[[tf.Tensor], tuple[tf.Tensor, ...]]
Multiply = Callable[..., tf.Tensor]


class _Curve(NamedTuple):
    """A function of a tensor, and one that gives its values and its slopes."""

    value: Callable[[tf.Tensor], tf.Tensor]
    with_slope: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def gated_product(
    activation: Activation, x: tf.Tensor, y: tf.Tensor, *weights: tf.Tensor, multiply: Multiply = product
) -> tf.Tensor:
    """Product of `activation` of `x` [rows, inner], times `y` likewise, and weights, as [rows, outputs].

    `multiply` takes what is multiplied, and the weights: by default one kernel [inner, outputs].
    """
    curve, draw_again = _CURVES[activation], dropout_again()

    @tf.custom_gradient
    def multiplied(x: tf.Tensor, y: tf.Tensor, *weights: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
            value, slope = _again(curve, x, upstream)
            with draw_again():
                of_gated, *of_weights = _backwards(multiply, [value * y, *weights], upstream)
            return of_gated * y * slope, of_gated * value, *of_weights

        return multiply(curve.value(x) * y, *weights), gradient

    return multiplied(x, y, *weights)


def activated_product(
    activation: Activation, x: tf.Tensor, *weights: tf.Tensor, multiply: Multiply = product
) -> tf.Tensor:
    """Product of `activation` of `x` [rows, inner] and weights, as [rows, outputs]; see `gated_product`."""
    curve, draw_again = _CURVES[activation], dropout_again()

    @tf.custom_gradient
    def multiplied(x: tf.Tensor, *weights: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
            value, slope = _again(curve, x, upstream)
            with draw_again():
                of_value, *of_weights = _backwards(multiply, [value, *weights], upstream)
            return of_value * slope, *of_weights

        return multiply(curve.value(x), *weights), gradient

    return multiplied(x, *weights)


def _backwards(multiply: Multiply, inputs: list[tf.Tensor], upstream: tf.Tensor) -> list[tf.Tensor]:
    """The gradient of each input of `multiply`; in a graph, those that nobody asks for are not computed."""
    with tf.GradientTape() as tape:
        tape.watch([tensor for tensor in inputs if tensor.dtype.is_floating])  # others are held kernels
        outputs = multiply(*inputs)
    return tape.gradient(outputs, inputs, upstream)


def _again(curve: _Curve, x: tf.Tensor, upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Values and slopes of `x` once `upstream` is there, or TensorFlow would keep what it computed before."""
    with tf.control_dependencies([upstream]):
        return curve.with_slope(tf.identity(x))


def _silu(x: tf.Tensor) -> tf.Tensor:
    return x * tf.sigmoid(x)


def _silu_with_slope(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    share = tf.sigmoid(x)
    value = x * share
    return value, share + value * (1 - share)


def _gelu(x: tf.Tensor) -> tf.Tensor:
    return x * (0.5 + 0.5 * tf.math.erf(x * math.sqrt(0.5)))


def _gelu_with_slope(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    below = 0.5 + 0.5 * tf.math.erf(x * math.sqrt(0.5))  # the normal distribution's share below x
    density = tf.exp(-0.5 * tf.square(x)) * (1 / math.sqrt(2 * math.pi))
    return x * below, below + x * density


_ROOT, _CUBE = math.sqrt(2 / math.pi), 0.044715  # of GELU's tanh approximation (Hendrycks & Gimpel, arXiv:1606.08415)


def _gelu_tanh(x: tf.Tensor) -> tf.Tensor:
    return x * (0.5 + 0.5 * tf.tanh(_ROOT * (x + _CUBE * x * x * x)))


def _gelu_tanh_with_slope(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    square = x * x
    tanh = tf.tanh(_ROOT * x * (1 + _CUBE * square))
    share = 0.5 + 0.5 * tanh
    return x * share, share + 0.5 * x * (1 - tanh * tanh) * (_ROOT * (1 + 3 * _CUBE * square))


def _relu_with_slope(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return tf.nn.relu(x), tf.cast(x > 0, x.dtype)


_CURVES: dict[Activation, _Curve] = {
    "silu": _Curve(_silu, _silu_with_slope),
    "gelu": _Curve(_gelu, _gelu_with_slope),
    "gelu_tanh": _Curve(_gelu_tanh, _gelu_tanh_with_slope),
    "relu": _Curve(tf.nn.relu, _relu_with_slope),
}
