"""AdaLoRA (Zhang et al., 2023, arXiv:2303.10512): the change of a kernel as a sum of triplets, few of which stay.

The change is `s P E Q`: columns of P and rows of Q, which a regularizer keeps orthogonal, and the singular values E
between them. Which triplets keep their value is decided over all layers: see `sftkeras.tuning.rank_allocation`.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from sftkeras.backbones.dense.adapters import AnyDense, Linear, sizes
from sftkeras.backbones.dense.low_rank import LowRank, LowRankSettings
from sftkeras.backbones.dense.operations import product, scaled


@dataclass(frozen=True)
class AdaptiveRankSettings(LowRankSettings):
    """Settings of an `AdaptiveRank`; its rank is the number of its triplets.

    Attributes:
        orthogonality: weight of the regularizer.
    """

    orthogonality: float = 0.0


class AdaptiveRank(LowRank):
    """The triplets of a dense layer, P [inputs, rank], Q [rank, outputs] and E [rank]."""

    kind = "adalora"
    settings_type = AdaptiveRankSettings
    settings: AdaptiveRankSettings

    def make_parts(self) -> None:
        """Makes the dropout, and regularizes P and Q."""
        super().make_parts()
        left, right, _ = self.parameters
        left.regularizer = Orthogonality(self.settings.orthogonality, of_rows=False)
        right.regularizer = Orthogonality(self.settings.orthogonality, of_rows=True)

    @classmethod
    def shapes(cls, inputs: int, outputs: int, settings: LowRankSettings) -> dict[str, tuple[int, ...]]:
        """Return the shapes of P, Q and E."""
        return {**super().shapes(inputs, outputs, settings), "lora_e": (settings.rank,)}

    @classmethod
    def first_values(cls, name: str, layer: AnyDense, settings: LowRankSettings, seed: int) -> list[np.ndarray]:
        """Return P and Q, drawn from normal numbers and made orthogonal, by the seed and the layer's name; E, zeros.

        The paper leaves it to the regularizer to make them orthogonal, which would rule the first steps alone.
        """
        inputs, outputs = sizes(layer)
        draw = np.random.default_rng([seed, zlib.crc32(name.encode())])
        left, right = (np.linalg.qr(draw.normal(size=(size, settings.rank)))[0] for size in (inputs, outputs))
        return [left.astype(np.float32), right.T.astype(np.float32), np.zeros(settings.rank, np.float32)]

    def outputs(
        self, x: tf.Tensor, linear: Linear, weights: Sequence[tf.Tensor], training: bool | None = None
    ) -> tf.Tensor:
        """Return `x W + b + s (x P) E Q`; see `Adapter`."""
        left, right, values = weights
        kept = self.dropout(x, training=training) if self.settings.dropout else x
        return linear(x) + product(scaled(product(kept, left), values) * self.settings.scale, right)

    def merged(self, kernel: tf.Tensor, bias: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Return `W + s P E Q`, and the bias as it is."""
        left, right, values = (variable.value for variable in self.parameters)
        return kernel + tf.matmul(left * values, right) * self.settings.scale, bias


class Orthogonality(keras.regularizers.Regularizer):
    """The squared Frobenius norm of what separates the columns of a matrix, or its rows, from orthonormal ones.

    Args:
        weight: it is multiplied by.
        of_rows: whether it is about rows.
    """

    def __init__(self, weight: float, *, of_rows: bool) -> None:
        self.weight = weight
        self.of_rows = of_rows

    def __call__(self, x: Any) -> tf.Tensor:
        """Return the regularizer of a matrix, a scalar."""
        matrix = tf.convert_to_tensor(x)
        gram = tf.matmul(matrix, matrix, transpose_a=not self.of_rows, transpose_b=self.of_rows)
        return self.weight * tf.reduce_sum(tf.square(gram - tf.eye(gram.shape[0])))

    def get_config(self) -> dict[str, Any]:
        """Its settings."""
        return {"weight": self.weight, "of_rows": self.of_rows}
