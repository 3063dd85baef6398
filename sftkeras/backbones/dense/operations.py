"""Dense layers, norms and activations as few large operations, with their gradients written out.

Stock Keras spends a dozen element-wise operations on a layer norm, each a pass over memory and back. Dense layers are
two-dimensional matrix products here, which oneDNN fuses with their bias. Every product of a decoder is `product`, so
that `products_in` reaches all of them. Every dense layer is multiplied by `dense`, or by `multiplied` and `followed`,
which ask it for its adapter and for what follows it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

import keras
import tensorflow as tf

from sftkeras.backbones.dense.adapters import AnyDense, adapter_of, following_of, held_kernel_of, sizes
from sftkeras.backbones.dense.held_kernels import HeldKernel

_products_in: ContextVar[str | None] = ContextVar("products_in", default=None)


class Kernels(Protocol):
    """Kernels of dense layers in another form than the layers have them."""

    def product(self, x: tf.Tensor, kernel: keras.Variable) -> tf.Tensor:
        """Product of `x` [rows, inputs] and what stands for `kernel`, as [rows, outputs]."""


_kernels: ContextVar[Kernels | None] = ContextVar("kernels", default=None)


@contextmanager
def kernels_from(kernels: Kernels) -> Iterator[None]:
    """Has `dense` multiply by these kernels inside the block in place of the layers' own, which have no adapters."""
    token = _kernels.set(kernels)
    try:
        yield
    finally:
        _kernels.reset(token)


@contextmanager
def products_in(dtype: str) -> Iterator[None]:
    """Computes the products inside the block, and those of their gradients, in `dtype`, such as "bfloat16".

    What stands between products keeps its precision: TensorFlow's element-wise operations in bfloat16 are slow on a
    CPU. In a graph this is decided while it is traced.
    """
    token = _products_in.set(dtype)
    try:
        yield
    finally:
        _products_in.reset(token)


def product(a: tf.Tensor, b: tf.Tensor, *, transpose_a: bool = False, transpose_b: bool = False) -> tf.Tensor:
    """Product of `a` [..., m, k] and `b` [..., k, n] as [..., m, n]; if transposed, of [..., k, m] and [..., n, k]."""
    dtype = _products_in.get()
    if dtype is None:
        return tf.matmul(a, b, transpose_a=transpose_a, transpose_b=transpose_b)
    whole = tf.matmul(tf.cast(a, dtype), tf.cast(b, dtype), transpose_a=transpose_a, transpose_b=transpose_b)
    return tf.cast(whole, a.dtype)


@dataclass(frozen=True)
class KernelAndBias:
    """Kernel [inputs, outputs] and bias [outputs] of a dense layer, as tensors; see `adapters.Linear`."""

    kernel: tf.Tensor
    bias: tf.Tensor | None

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Return `x W + b`."""
        if self.bias is None:
            return self.times(x)
        if _products_in.get() is None:
            return _product_plus_bias(x, self.kernel, self.bias)
        return plus_bias(self.times(x), self.bias)

    def times(self, x: tf.Tensor) -> tf.Tensor:
        """Return `x W`."""
        return product(x, self.kernel)

    def whole_kernel(self) -> tf.Tensor:
        """Return W."""
        return tf.stop_gradient(self.kernel)


@dataclass(frozen=True)
class HeldKernelAndBias:
    """As `KernelAndBias`, of a kernel that is held in fewer bytes: as `tensors`, which `held` reads."""

    held: HeldKernel
    tensors: Sequence[tf.Tensor]
    bias: tf.Tensor | None

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Return `x W + b`."""
        return self.times(x) if self.bias is None else plus_bias(self.times(x), self.bias)

    def times(self, x: tf.Tensor) -> tf.Tensor:
        """Return `x W`; the backward pass reads W again, so that it is not kept until then."""
        read = self.held.read

        @tf.custom_gradient
        def multiply(
            x: tf.Tensor, *tensors: tf.Tensor
        ) -> tuple[tf.Tensor, Callable[..., tuple[tf.Tensor | None, ...]]]:
            def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
                # After `upstream`, or TensorFlow would see that it was read before and keep it until here.
                with tf.control_dependencies([upstream]):
                    kernel = read([tf.identity(tensor) for tensor in tensors])
                return product(upstream, tf.cast(kernel, x.dtype), transpose_b=True), *[None] * len(tensors)

            return product(x, tf.cast(read(tensors), x.dtype)), gradient

        return multiply(x, *self.tensors)

    def whole_kernel(self) -> tf.Tensor:
        """Return W."""
        return tf.stop_gradient(self.held.read(self.tensors))


def dense(layer: AnyDense, x: tf.Tensor, training: bool | None = None) -> tf.Tensor:
    """`layer` on `x` [rows, inputs], without its activation, as [rows, outputs].

    `training` says whether the dropout of an adapter drops; None is as the layer that is being called.
    """
    if kernels := _kernels.get():
        outputs = kernels.product(x, layer.kernel)
        outputs = outputs if layer.bias is None else plus_bias(outputs, tf.reshape(layer.bias.value, [-1]))
    else:
        multiply, weights = multiplied(layer, training)
        outputs = multiply(x, *weights)
    return followed(layer, outputs)


def followed(layer: AnyDense, outputs: tf.Tensor) -> tf.Tensor:
    """Outputs [rows, outputs] of `layer` as the layer that follows it leaves them, if there is one."""
    following = following_of(layer)
    return outputs if following is None else following.call(outputs)


def multiplied(layer: AnyDense, training: bool | None) -> tuple[Callable[..., tf.Tensor], list[tf.Tensor]]:
    """Return what `layer` computes before its activation, a function of inputs and weights, and these weights.

    They are apart for those who write the gradient out: weights must be arguments there.
    """
    adapter, held, has_bias = adapter_of(layer), held_kernel_of(layer), layer.bias is not None
    kernel = held.tensors() if held else [tf.reshape(layer.kernel.value, sizes(layer))]
    own = [*kernel, tf.reshape(layer.bias.value, [-1])] if has_bias else kernel

    def multiply(x: tf.Tensor, *weights: tf.Tensor) -> tf.Tensor:
        kernel_tensors, bias = weights[: len(kernel)], weights[len(kernel)] if has_bias else None
        linear = HeldKernelAndBias(held, kernel_tensors, bias) if held else KernelAndBias(kernel_tensors[0], bias)
        return linear(x) if adapter is None else adapter.outputs(x, linear, weights[len(own) :], training)

    return multiply, [*own, *(adapter.tensors() if adapter else [])]


@tf.custom_gradient
def scaled(x: tf.Tensor, factor: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
    """`x` [rows, numbers] times `factor` [numbers]."""
    return x * factor, lambda upstream: (upstream * factor, _sum_rows(upstream * x))


@tf.custom_gradient
def plus_bias(x: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
    """`x` [rows, outputs] plus `bias` [outputs]."""
    return tf.nn.bias_add(x, bias), lambda upstream: (upstream, _sum_rows(upstream))


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


def normalise(layer: keras.layers.LayerNormalization, x: tf.Tensor) -> tf.Tensor:
    """Layer norm of `x` [rows, hidden], computed in float32 as Keras does."""
    gamma, beta = tf.cast(layer.gamma.value, tf.float32), tf.cast(layer.beta.value, tf.float32)
    return tf.cast(_layer_norm(tf.cast(x, tf.float32), gamma, beta, tf.constant(layer.epsilon)), x.dtype)


def softmax(x: tf.Tensor) -> tf.Tensor:
    """Softmax of `x` over its last axis, computed in float32.

    TensorFlow's own adds bfloat16 up as it is: weights of 512 tokens are off by up to 4% then, not 0.4%.
    """
    return tf.cast(tf.nn.softmax(tf.cast(x, tf.float32)), x.dtype)


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


def normalise_root_mean_square(x: tf.Tensor, gamma: tf.Tensor, epsilon: float) -> tf.Tensor:
    """`x` [..., hidden] float32 over the root of its mean square, times `gamma` [hidden]."""
    return _root_mean_square_norm(x, gamma, tf.constant(epsilon))


@tf.custom_gradient
def _root_mean_square_norm(
    x: tf.Tensor, gamma: tf.Tensor, epsilon: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor | None, ...]]]:
    scale = tf.math.rsqrt(tf.reduce_mean(tf.square(x), -1, keepdims=True) + epsilon)
    normal = x * scale

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
        inner = upstream * gamma
        along = tf.reduce_mean(inner * normal, -1, keepdims=True)
        return (inner - normal * along) * scale, _sum_rows(tf.reshape(upstream * normal, [-1, x.shape[-1]])), None

    return normal * gamma, gradient


def activate(activation: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor) -> tf.Tensor:
    """`activation` of `x`, any shape."""
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
