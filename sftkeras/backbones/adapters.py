"""Dense layers with an adapter: a part beside the kernel that learns while the kernel stays as it is.

`dense_operations` asks each layer for its adapter. What an adapter computes is its own affair: see `low_rank`.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from sftkeras.internals.keras import changeable, forget_part

AnyDense = Any  # a keras.layers.Dense or keras.layers.EinsumDense


class Adapter(keras.layers.Layer):
    """Part beside the kernel of a dense layer, whose outputs are added to the layer's."""

    @abstractmethod
    def added(self, x: tf.Tensor, weights: Sequence[tf.Tensor], training: bool | None = None) -> tf.Tensor:
        """Return what is added to the layer's outputs [rows, outputs].

        Args:
            x: inputs of the layer, [rows, inputs].
            weights: of the adapter, as `tensors` gives them.
            training: whether its dropout drops; None is as the layer that is being called.
        """

    @abstractmethod
    def change(self) -> tf.Tensor:
        """Return the kernel, [inputs, outputs], that would add the same without dropout."""

    @abstractmethod
    def tensors(self) -> list[tf.Tensor]:
        """Return its weights as tensors."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return all that another of its kind needs, but for the weights."""


class AdaptedDense(keras.layers.Dense):
    """A dense layer with an adapter."""

    adapter: Adapter


class AdaptedEinsumDense(keras.layers.EinsumDense):
    """A dense layer over several axes with an adapter."""

    adapter: Adapter


_ADAPTED: dict[type, type] = {keras.layers.Dense: AdaptedDense, keras.layers.EinsumDense: AdaptedEinsumDense}
_PLAIN = {adapted: plain for plain, adapted in _ADAPTED.items()}


def adapter_of(layer: AnyDense) -> Adapter | None:
    """Return the adapter of a dense layer, if it has one."""
    return layer.adapter if isinstance(layer, AdaptedDense | AdaptedEinsumDense) else None


def attach_adapter(layer: AnyDense, adapter: Adapter) -> None:
    """Gives a built dense layer, in place, an adapter that learns with it."""
    with changeable(layer):
        layer.__class__ = _ADAPTED[type(layer)]
        layer.adapter = adapter


def merge_adapter(layer: AnyDense) -> None:
    """Adds what the adapter of a layer does to its kernel, in place, and takes the adapter away."""
    adapter = adapter_of(layer)
    assert adapter is not None
    layer.kernel.assign_add(tf.reshape(adapter.change(), layer.kernel.shape))
    forget_part(layer, adapter)
    del layer.adapter
    layer.__class__ = _PLAIN[type(layer)]


def whole_kernel(layer: AnyDense) -> tf.Tensor:
    """Return the kernel [inputs, outputs] of a layer that has two axes, with what its adapter does."""
    kernel = tf.convert_to_tensor(layer.kernel.value)
    adapter = adapter_of(layer)
    return kernel if adapter is None else kernel + adapter.change()


def sizes(layer: AnyDense) -> tuple[int, int]:
    """Return how many inputs and outputs a built dense layer has; attention heads are side by side."""
    outputs = layer.kernel.shape[-1] if layer.bias is None else math.prod(layer.bias.shape)
    return math.prod(layer.kernel.shape) // outputs, outputs
