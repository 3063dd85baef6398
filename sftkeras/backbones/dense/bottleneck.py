"""Bottleneck adapters (Houlsby et al., 2019, arXiv:1902.00751): small networks of their own after dense layers.

One computes `y + f(y D + d) U + u` of the outputs y of a layer. It is not linear, so no kernel could hold it: unlike
other adapters it stays, in the network, in what is kept of it and in what is exported.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from sftkeras.backbones.dense.operations import KernelAndBias, activate, exact_gelu
from sftkeras.internals.keras import beginning_with

_DEVIATION = 1e-2  # of the first kernels, whose draws end at two of it: section 3.6 of the paper
_CURVES: Mapping[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "gelu": exact_gelu,
    "relu": tf.nn.relu,
    "silu": tf.nn.silu,
}


@dataclass(frozen=True)
class BottleneckSettings:
    """Settings of a `Bottleneck`.

    Attributes:
        size: numbers inside.
        activation: between its two kernels: gelu, relu or silu.
    """

    size: int
    activation: str


class Bottleneck(keras.layers.Layer):
    """The network after a dense layer.

    Args:
        width: outputs of the layer.
        settings: its size and activation.
        values: first values of its weights, in the order of `shapes`; None is zeros, for those that are loaded later.
    """

    def __init__(
        self, width: int, settings: BottleneckSettings, values: Sequence[np.ndarray] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.settings = settings
        first: Sequence[Any] = [None] * 4 if values is None else values
        self.parameters = [
            self.add_weight(shape=shape, initializer=beginning_with(array), name=name)
            for (name, shape), array in zip(shapes(width, settings.size).items(), first, strict=True)
        ]
        self.built = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return what becomes of the outputs of the layer, [rows, width]."""
        down, down_bias, up, up_bias = (tf.convert_to_tensor(variable.value) for variable in self.parameters)
        inner = activate(_CURVES[self.settings.activation], KernelAndBias(down, down_bias)(inputs))
        return inputs + KernelAndBias(up, up_bias)(inner)

    def describe(self) -> dict[str, Any]:
        """Return all that another one needs, but for the weights."""
        return asdict(self.settings)


def shapes(width: int, size: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the weights of a `Bottleneck` by their names."""
    return {"down_kernel": (width, size), "down_bias": (size,), "up_kernel": (size, width), "up_bias": (width,)}


def first_values(name: str, width: int, size: int, seed: int) -> list[np.ndarray]:
    """Return values with which a layer computes nearly what it computes without, by the seed and the layer's name."""
    draw = np.random.default_rng([seed, zlib.crc32(name.encode())])

    def kernel(*shape: int) -> np.ndarray:
        values = draw.normal(size=shape)
        while (beyond := np.abs(values) > 2).any():
            values[beyond] = draw.normal(size=int(beyond.sum()))
        return (values * _DEVIATION).astype(np.float32)

    zeros = np.zeros(size, np.float32), np.zeros(width, np.float32)
    return [kernel(width, size), zeros[0], kernel(size, width), zeros[1]]
