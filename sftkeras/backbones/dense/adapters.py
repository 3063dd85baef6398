"""Dense layers with an adapter: a part beside the kernel that learns while the kernel stays as it is.

The kernel of such a layer, or of any that does not learn, may be held in fewer bytes: see `held_kernels`. And another
layer may follow, as a part of it: see `bottleneck`.

`operations` asks each layer for its adapter and for what follows. What an adapter computes is its own affair: see
`low_rank`, `weight_decomposed` and `rescaling`.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, ClassVar, Protocol, cast

import keras
import numpy as np
import tensorflow as tf

from sftkeras.backbones.dense.held_kernels import HeldAs, HeldKernel
from sftkeras.internals.keras import beginning_with, changeable, drop_kernel, forget_part, give_kernel

AnyDense = Any  # a keras.layers.Dense or keras.layers.EinsumDense


class Linear(Protocol):
    """The kernel and bias of a dense layer, as an adapter meets them."""

    @property
    def bias(self) -> tf.Tensor | None:
        """The bias, [outputs], if it has one."""

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Return `x W + b`, [rows, outputs]."""

    def times(self, x: tf.Tensor) -> tf.Tensor:
        """Return `x W`, [rows, outputs]."""

    def whole_kernel(self) -> tf.Tensor:
        """Return W, [inputs, outputs]; no gradient leads through it."""


class Adapter(keras.layers.Layer):
    """Part beside the kernel of a dense layer, which changes what the layer computes.

    Args:
        inputs: of the layer.
        outputs: of the layer.
        settings: of its kind, a dataclass.
        values: first values of its weights, in the order of `shapes`; None is zeros, for those that are loaded later.
    """

    kind: ClassVar[str]
    settings_type: ClassVar[type]

    def __init__(
        self, inputs: int, outputs: int, settings: Any, values: Sequence[np.ndarray] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.settings = settings
        shapes = self.shapes(inputs, outputs, settings)
        first: Sequence[Any] = [None] * len(shapes) if values is None else values
        self.parameters = [
            self.add_weight(shape=shape, initializer=beginning_with(array), name=name)
            for (name, shape), array in zip(shapes.items(), first, strict=True)
        ]
        self.make_parts()
        self.built = True

    def make_parts(self) -> None:
        """Makes the layers that it is made of, if any."""

    @classmethod
    @abstractmethod
    def shapes(cls, inputs: int, outputs: int, settings: Any) -> dict[str, tuple[int, ...]]:
        """Return the shapes of its weights by their names."""

    @classmethod
    @abstractmethod
    def first_values(cls, name: str, layer: AnyDense, settings: Any, seed: int) -> list[np.ndarray]:
        """Return values with which the layer computes what it computes without it."""

    @abstractmethod
    def outputs(
        self, x: tf.Tensor, linear: Linear, weights: Sequence[tf.Tensor], training: bool | None = None
    ) -> tf.Tensor:
        """Return the outputs of the layer, [rows, outputs].

        Args:
            x: inputs of the layer, [rows, inputs].
            linear: kernel and bias of the layer.
            weights: of the adapter, as `tensors` gives them.
            training: whether its dropout drops; None is as the layer that is being called.
        """

    @abstractmethod
    def merged(self, kernel: tf.Tensor, bias: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Return kernel [inputs, outputs] and bias [outputs] of a layer without it that computes the same."""

    def tensors(self) -> list[tf.Tensor]:
        """Return its weights as tensors."""
        return [tf.convert_to_tensor(variable.value) for variable in self.parameters]

    def values(self) -> list[np.ndarray]:
        """Return the values of its weights."""
        return [variable.numpy() for variable in self.parameters]

    def describe(self) -> dict[str, Any]:
        """Return all that another of its kind needs, but for the weights."""
        return {"kind": self.kind, **asdict(self.settings)}


class _Tuned:
    """Mix-in of dense layers that have an adapter, a kernel that is held in fewer bytes, or a layer that follows."""

    adapter: Adapter | None = None
    held: HeldKernel | None = None
    following: keras.layers.Layer | None = None
    bias: Any

    @property
    def kernel(self) -> Any:
        """The kernel: a variable, or what stands for it."""
        return super().kernel if self.held is None else self.held  # type: ignore[misc]

    def save_own_variables(self, store: dict[str, Any]) -> None:
        """Saves its own variables; a kernel that is held saves itself."""
        if self.held is None:
            super().save_own_variables(store)  # type: ignore[misc]
        else:
            keras.layers.Layer.save_own_variables(cast(keras.layers.Layer, self), store)

    def load_own_variables(self, store: dict[str, Any]) -> None:
        """Loads what `save_own_variables` saved."""
        if self.held is None:
            super().load_own_variables(store)  # type: ignore[misc]
        else:
            keras.layers.Layer.load_own_variables(cast(keras.layers.Layer, self), store)


class TunedDense(_Tuned, keras.layers.Dense):
    """A dense layer with an adapter, a kernel that is held in fewer bytes, or a layer that follows."""


class TunedEinsumDense(_Tuned, keras.layers.EinsumDense):
    """As `TunedDense`, a dense layer over several axes."""


_TUNED: dict[type, type] = {keras.layers.Dense: TunedDense, keras.layers.EinsumDense: TunedEinsumDense}
_PLAIN = {tuned: plain for plain, tuned in _TUNED.items()}


def adapter_of(layer: AnyDense) -> Adapter | None:
    """Return the adapter of a dense layer, if it has one."""
    return layer.adapter if isinstance(layer, _Tuned) else None


def held_kernel_of(layer: AnyDense) -> HeldKernel | None:
    """Return what holds the kernel of a dense layer in fewer bytes, if anything does."""
    return layer.held if isinstance(layer, _Tuned) else None


def following_of(layer: AnyDense) -> keras.layers.Layer | None:
    """Return the layer that follows a dense layer as a part of it, if there is one."""
    return layer.following if isinstance(layer, _Tuned) else None


def attach_adapter(layer: AnyDense, adapter: Adapter) -> None:
    """Gives a built dense layer, in place, an adapter that learns with it."""
    with _tunable(layer):
        layer.adapter = adapter


def let_follow(layer: AnyDense, following: keras.layers.Layer) -> None:
    """Gives a built dense layer, in place, a layer that takes its outputs; it stays when adapters are merged."""
    with _tunable(layer):
        layer.following = following


@contextmanager
def _tunable(layer: AnyDense) -> Iterator[None]:
    """Lets a built dense layer be given, inside the block, what a tuned one may have."""
    with changeable(layer):
        layer.__class__ = _TUNED.get(type(layer), type(layer))
        yield


def hold_kernel(layer: AnyDense, form: HeldAs) -> None:
    """Holds the kernel of a built dense layer in fewer bytes, in place; it learns no more."""
    shape, inputs = tuple(layer.kernel.shape), sizes(layer)[0]
    kernel = layer.kernel.numpy().reshape(inputs, -1)
    drop_kernel(layer)
    with _tunable(layer):
        layer.held = HeldKernel(form, shape, inputs, kernel, name="held")


def make_plain(layer: AnyDense) -> None:
    """Makes a layer plain again, in place: float32, with kernel and bias that its adapter makes of them.

    What follows it stays.
    """
    if not isinstance(layer, _Tuned):
        return
    kernel, bias = merged(layer)
    shape, held = tuple(layer.kernel.shape), layer.held
    for name in ("adapter", "held"):
        if name in vars(layer):
            forget_part(layer, vars(layer)[name])
            delattr(layer, name)
    if layer.following is None:
        layer.__class__ = _PLAIN[type(layer)]
    if held is None:
        layer.kernel.assign(tf.reshape(kernel, shape))
    else:
        give_kernel(layer, kernel.numpy().reshape(shape))
    if bias is not None:
        layer.bias.assign(tf.reshape(bias, layer.bias.shape))


def merged(layer: AnyDense) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Return kernel [inputs, outputs] and bias [outputs], if any, of a layer, with what its adapter does."""
    adapter = adapter_of(layer)
    kernel = tf.reshape(layer.kernel.value, sizes(layer))
    bias = None if layer.bias is None else tf.reshape(layer.bias.value, [-1])
    return (kernel, bias) if adapter is None else adapter.merged(kernel, bias)


def kernel_lengths(layer: AnyDense) -> np.ndarray:
    """Return the lengths of the columns of a layer's own kernel, [outputs] float32."""
    kernel = tf.reshape(layer.kernel.value, sizes(layer))
    return tf.norm(tf.cast(kernel, tf.float32), axis=0).numpy()


def sizes(layer: AnyDense) -> tuple[int, int]:
    """Return how many inputs and outputs a built dense layer has; attention heads are side by side."""
    outputs = layer.kernel.shape[-1] if layer.bias is None else math.prod(layer.bias.shape)
    return math.prod(layer.kernel.shape) // outputs, outputs
