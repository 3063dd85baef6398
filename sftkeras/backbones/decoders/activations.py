"""Activations of feed-forward parts with their slopes, so that a gate's gradient is written out.

Only the inputs are kept for the backward pass, which computes the rest again: a decoder's widest tensors are here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from sftkeras.backbones.decoders.config import Activation

Gradient = Callable[[tf.Tensor], tuple[tf.Tensor, ...]]


class _Curve(NamedTuple):
    """A function of a tensor, and one that gives its values and its slopes."""

    value: Callable[[tf.Tensor], tf.Tensor]
    with_slope: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def gate(activation: Activation, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """`activation` of `x`, times `y` of the same shape."""
    curve = _CURVES[activation]

    @tf.custom_gradient
    def gated(x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
            with tf.control_dependencies([upstream]):  # or TensorFlow would keep what it computed before
                value, slope = curve.with_slope(tf.identity(x))
            return upstream * y * slope, upstream * value

        return curve.value(x) * y, gradient

    return gated(x, y)


def activate(activation: Activation, x: tf.Tensor) -> tf.Tensor:
    """`activation` of `x`, any shape."""
    curve = _CURVES[activation]

    @tf.custom_gradient
    def activated(x: tf.Tensor) -> tuple[tf.Tensor, Gradient]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
            with tf.control_dependencies([upstream]):
                return (upstream * curve.with_slope(tf.identity(x))[1],)

        return curve.value(x), gradient

    return activated(x)


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
