"""Kernels that do not learn, held in fewer bytes: bfloat16, int8 by output, or int4 by groups of inputs.

A product makes the float32 kernel anew, in the forward and in the backward pass, so that no more than one is there at a
time. What it makes is what the model computes with from then on: evaluation, merging and exports take the same values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from sftkeras.internals.keras import all_layers, beginning_with

HeldAs = Literal["bfloat16", "int8", "int4"]
GROUP = 32  # inputs that share a scale in int4, as in llama.cpp's Q4_0: 5 bits a weight with the scales


class _Form(NamedTuple):
    """A way to hold a kernel of `inputs` and `outputs`.

    Attributes:
        shapes: the shape and dtype of each of its tensors, by name.
        hold: a float32 kernel as these tensors.
        read: the float32 kernel, given these tensors and how many inputs it has.
    """

    shapes: Callable[[int, int], Mapping[str, tuple[tuple[int, ...], str]]]
    hold: Callable[[np.ndarray], list[Any]]
    read: Callable[[Sequence[tf.Tensor], int], tf.Tensor]


class HeldKernel(keras.layers.Layer):
    """The kernel of a dense layer, in fewer bytes.

    Args:
        form: how it is held.
        shape: of the kernel.
        inputs: how many numbers go into the layer; the rest of the shape is of its outputs.
        kernel: its values, [inputs, outputs] float32; None is zeros, for those that are loaded later.
    """

    def __init__(
        self, form: HeldAs, shape: tuple[int, ...], inputs: int, kernel: np.ndarray | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.form, self.shape, self.inputs = form, shape, inputs
        shapes = _FORMS[form].shapes(inputs, math.prod(shape) // inputs)
        first: Sequence[Any] = [None] * len(shapes) if kernel is None else _FORMS[form].hold(kernel)

        self.parameters = [
            self.add_weight(
                shape=own, dtype=dtype, initializer=beginning_with(array), trainable=False, autocast=False, name=name
            )
            for (name, (own, dtype)), array in zip(shapes.items(), first, strict=True)
        ]
        self.built = True

    def tensors(self) -> list[tf.Tensor]:
        """Return what it is held as."""
        return [tf.convert_to_tensor(variable.value) for variable in self.parameters]

    def read(self, tensors: Sequence[tf.Tensor]) -> tf.Tensor:
        """Return the kernel of such tensors, [inputs, outputs] float32."""
        return _FORMS[self.form].read(tensors, self.inputs)

    @property
    def value(self) -> tf.Tensor:
        """The kernel, of its shape, float32: as `value` of the variable that it stands for."""
        return tf.reshape(self.read(self.tensors()), self.shape)

    @property
    def unseen_parameters(self) -> int:
        """Parameters of the kernel beyond the numbers of its tensors; negative if these are more."""
        return math.prod(self.shape) - sum(math.prod(variable.shape) for variable in self.parameters)


def count_parameters(network: keras.Model) -> int:
    """Return how many parameters a network has, whatever they are held as."""
    held = (layer for layer in all_layers(network) if isinstance(layer, HeldKernel))
    return network.count_params() + sum(kernel.unseen_parameters for kernel in held)


def rounded_to_int8(values: np.ndarray, axis: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest of 127 steps to each side of zero, int8, and the sizes of a step, float32.

    Args:
        values: a float32 matrix.
        axis: along which numbers share a size: 0 has one for each column, 1 for each row.
    """
    steps = np.abs(values).max(axis, initial=0, keepdims=True) / np.float32(127)
    return np.rint(values / np.where(steps, steps, 1)).astype(np.int8), np.squeeze(steps, axis)


def _hold_bfloat16(kernel: np.ndarray) -> list[Any]:
    return [tf.cast(kernel, tf.bfloat16)]


def _hold_int8(kernel: np.ndarray) -> list[Any]:
    return list(rounded_to_int8(kernel))


def _read_int8(tensors: Sequence[tf.Tensor], _: int) -> tf.Tensor:
    values, scales = tensors
    return tf.cast(values, tf.float32) * scales


def _groups(inputs: int) -> int:
    return -(-inputs // GROUP)


def _hold_int4(kernel: np.ndarray) -> list[Any]:
    """Sixteen steps from the largest number of a group, which is kept as it is, to nearly its opposite."""
    inputs, outputs = kernel.shape
    padded = np.pad(kernel, ((0, _groups(inputs) * GROUP - inputs), (0, 0)))
    groups = padded.reshape(-1, GROUP, outputs)
    largest = np.take_along_axis(groups, np.abs(groups).argmax(1)[:, np.newaxis], 1)
    scales = largest[:, 0] / np.float32(-8)
    steps = np.rint(groups / np.where(scales, scales, 1)[:, np.newaxis]) + 8
    halves = np.split(steps.clip(0, 15).astype(np.uint8).reshape(-1, outputs), 2)
    return [halves[0] | halves[1] << 4, scales]


def _read_int4(tensors: Sequence[tf.Tensor], inputs: int) -> tf.Tensor:
    packed, scales = tensors
    low = tf.bitwise.bitwise_and(packed, tf.constant(15, tf.uint8))
    high = tf.bitwise.right_shift(packed, tf.constant(4, tf.uint8))
    steps = tf.cast(tf.concat([low, high], 0), tf.float32) - 8
    groups = tf.reshape(steps, [-1, GROUP, packed.shape[1]]) * scales[:, tf.newaxis]
    return tf.reshape(groups, [-1, packed.shape[1]])[:inputs]


_FORMS: Mapping[HeldAs, _Form] = {
    "bfloat16": _Form(
        lambda inputs, outputs: {"values": ((inputs, outputs), "bfloat16")},
        _hold_bfloat16,
        lambda tensors, _: tf.cast(tensors[0], tf.float32),
    ),
    "int8": _Form(
        lambda inputs, outputs: {"values": ((inputs, outputs), "int8"), "scales": ((outputs,), "float32")},
        _hold_int8,
        _read_int8,
    ),
    "int4": _Form(
        lambda inputs, outputs: {
            "packed": ((_groups(inputs) * GROUP // 2, outputs), "uint8"),
            "scales": ((_groups(inputs), outputs), "float32"),
        },
        _hold_int4,
        _read_int4,
    ),
}
