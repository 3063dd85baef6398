"""Weights as a smaller or faster export keeps them: of dense layers and of the token table, rounded.

They are other variables than those that were trained, made of them when a model is first called without a graph:

- bfloat16: products are computed in it, which processors with AMX do several times as fast. Rows of the table are read
  from it.
- int8: an integer of 8 bits times a scale, one for each output of a dense layer and each row of the table. Products are
  computed in float32. Products of integers would need inputs of 8 bits too, and TensorFlow's kernels for them are no
  faster: `MatMul` of int8 took 1.5 to 2.6 times as long as float32, `UniformQuantizedDotHybrid` 6 to 60 times; oneDNN's
  `QuantizedMatMulWithBias` took 0.7 to 2 times as long, but has one scale for all outputs (TensorFlow 2.21, AVX2).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from sftkeras.backbones.dense.held_kernels import rounded_to_int8
from sftkeras.backbones.dense.operations import kernels_from

RoundedPrecision = Literal["bfloat16", "int8"]


class RoundedWeights:
    """The weights of a model as an export keeps them.

    Args:
        precision: of the weights.

    Attributes:
        variables: what is read inside `in_use` in place of the trained weights.
    """

    def __init__(self, precision: RoundedPrecision) -> None:
        self.precision = precision
        self.variables: list[tf.Variable] = []
        self._kept: dict[int, tuple[tf.Variable, ...]] = {}

    @contextmanager
    def in_use(self, embedding: keras.layers.Embedding | None) -> Iterator[None]:
        """Has dense layers, and an embedding if one is given, read these weights inside the block.

        Call the model once before a function of it is traced: to TensorFlow, the function that makes the weights would
        read the trained ones too.
        """
        if embedding is None:
            with kernels_from(self):
                yield
            return
        trained = embedding.call

        @functools.wraps(trained)
        def call(inputs: tf.Tensor, **options: Any) -> tf.Tensor:
            return trained(inputs, **options) if options.get("reverse") else self.rows(embedding.embeddings, inputs)

        embedding.call = call
        try:
            with kernels_from(self):
                yield
        finally:
            embedding.call = trained

    def product(self, x: tf.Tensor, kernel: keras.Variable) -> tf.Tensor:
        """Product of `x` [rows, inputs] float32 and a kernel of as many numbers an output, as [rows, outputs]."""
        weights, *scale = self._weights(kernel, inputs=x.shape[-1])
        if scale:
            return tf.matmul(x, tf.cast(weights, x.dtype)) * scale[0]
        return tf.cast(tf.matmul(tf.cast(x, weights.dtype), weights), x.dtype)

    def rows(self, table: keras.Variable, numbers: tf.Tensor) -> tf.Tensor:
        """Rows of a table [rows, size] by their `numbers`, any shape, as [..., size] float32."""
        values, *scale = self._weights(table)
        found = tf.cast(tf.gather(values, numbers), tf.float32)
        return found * tf.gather(scale[0], numbers)[..., tf.newaxis] if scale else found

    def _weights(self, variable: keras.Variable, inputs: int | None = None) -> tuple[tf.Variable, ...]:
        """A variable as it is kept: a matrix with scales of its columns if `inputs` are given, or else of its rows."""
        if id(variable) not in self._kept:
            values = variable.numpy()
            if inputs is not None:
                values = values.reshape(inputs, -1)
            kept = self._rounded(values, axis=1 if inputs is None else 0)
            self._kept[id(variable)] = tuple(tf.Variable(array, trainable=False) for array in kept)
            self.variables += self._kept[id(variable)]
        return self._kept[id(variable)]

    def _rounded(self, values: np.ndarray, axis: int) -> list[Any]:
        if self.precision == "bfloat16":
            return [tf.cast(values, tf.bfloat16)]
        return list(rounded_to_int8(values, axis))
