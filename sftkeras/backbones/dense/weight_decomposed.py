"""DoRA (Liu et al., 2024, arXiv:2402.09353): LoRA changes the direction of a kernel's columns, a vector their length.

The layer computes `x W' m / |W'|` with `W' = W + s A B` and a learned m, by the outputs alone: `W'` is never made. The
lengths `|W'|` of its columns are without a gradient, as section 4.3 of the paper has it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from sftkeras.backbones.dense.adapters import AnyDense, Linear, kernel_lengths
from sftkeras.backbones.dense.low_rank import LowRank, LowRankSettings
from sftkeras.backbones.dense.operations import plus_bias, scaled

_LEAST = 1e-30  # of a squared length, for columns of zeros


class WeightDecomposed(LowRank):
    """The two matrices of a dense layer, and the lengths m [outputs] of its columns."""

    kind = "dora"

    @classmethod
    def shapes(cls, inputs: int, outputs: int, settings: LowRankSettings) -> dict[str, tuple[int, ...]]:
        """Return the shapes of A, B and m."""
        return {**super().shapes(inputs, outputs, settings), "dora_m": (outputs,)}

    @classmethod
    def first_values(cls, name: str, layer: AnyDense, settings: LowRankSettings, seed: int) -> list[np.ndarray]:
        """Return A and B of LoRA, and the lengths of the kernel's columns."""
        return [*super().first_values(name, layer, settings, seed), kernel_lengths(layer)]

    def outputs(
        self, x: tf.Tensor, linear: Linear, weights: Sequence[tf.Tensor], training: bool | None = None
    ) -> tf.Tensor:
        """Return `(x W + s (x A) B) m / |W'| + b`; what goes into A alone is dropped."""
        down, up, lengths = weights
        outputs = linear.times(x) + self.change(x, down, up, training)
        factor = tf.cast(lengths, tf.float32) / tf.stop_gradient(self._lengths(linear.whole_kernel(), down, up))
        outputs = scaled(outputs, tf.cast(factor, outputs.dtype))
        return outputs if linear.bias is None else plus_bias(outputs, linear.bias)

    def _lengths(self, kernel: tf.Tensor, down: tf.Tensor, up: tf.Tensor) -> tf.Tensor:
        """`|W + s A B|` of each column, [outputs] float32, of products no larger than A and B."""
        kernel, down, up = (tf.cast(tensor, tf.float32) for tensor in (kernel, down, up))
        scale = self.settings.scale
        across = tf.reduce_sum(up * tf.matmul(down, kernel, transpose_a=True), 0)
        change = tf.reduce_sum(up * tf.matmul(tf.matmul(down, down, transpose_a=True), up), 0)
        squares = tf.reduce_sum(tf.square(kernel), 0) + 2 * scale * across + scale**2 * change
        return tf.sqrt(tf.maximum(squares, _LEAST))

    def merged(self, kernel: tf.Tensor, bias: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Return `W' m / |W'|`, and the bias as it is."""
        directed, bias = super().merged(kernel, bias)
        squares = tf.maximum(tf.reduce_sum(tf.square(directed), 0), _LEAST)
        return directed * (self.parameters[2].value * tf.math.rsqrt(squares)), bias
