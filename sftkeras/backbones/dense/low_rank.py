"""LoRA (Hu et al., 2021, arXiv:2106.09685): two small matrices beside a kernel, whose product is its change.

The layer computes `x W + s (x A) B`, so that neither the product of A and B nor a gradient of its size is ever made.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from sftkeras.backbones.dense.adapters import Adapter, AnyDense, Linear, sizes
from sftkeras.backbones.dense.operations import product


@dataclass(frozen=True)
class LowRankSettings:
    """Settings of a `LowRank`.

    Attributes:
        rank: inner size of its matrices.
        alpha: its product is scaled by alpha / rank.
        rank_scaled: scale by alpha / sqrt(rank) instead (rsLoRA: Kalajdzievski, 2023, arXiv:2312.03732).
        dropout: share of its inputs that is dropped in training.
    """

    rank: int
    alpha: float
    rank_scaled: bool = False
    dropout: float = 0.0

    @property
    def scale(self) -> float:
        """Factor of the product of the matrices."""
        return self.alpha / (math.sqrt(self.rank) if self.rank_scaled else self.rank)


class LowRank(Adapter):
    """The two matrices of a dense layer, A [inputs, rank] and B [rank, outputs]."""

    kind = "lora"
    settings_type = LowRankSettings
    settings: LowRankSettings

    def make_parts(self) -> None:
        """Makes the dropout: a stock one, which `use_stream_dropout` turns into one whose mask is of the row."""
        self.dropout = keras.layers.Dropout(self.settings.dropout, dtype=self.dtype_policy, name="dropout")

    @classmethod
    def shapes(cls, inputs: int, outputs: int, settings: LowRankSettings) -> dict[str, tuple[int, ...]]:
        """Return the shapes of A and B."""
        return {"lora_a": (inputs, settings.rank), "lora_b": (settings.rank, outputs)}

    @classmethod
    def first_values(cls, name: str, layer: AnyDense, settings: LowRankSettings, seed: int) -> list[np.ndarray]:
        """Return A, uniform as PEFT draws it, by the seed and the layer's name, and B, zeros."""
        inputs, outputs = sizes(layer)
        bound = 1 / math.sqrt(inputs)  # Kaiming's for a slope of sqrt(5), as torch.nn.Linear begins
        draw = np.random.default_rng([seed, zlib.crc32(name.encode())])
        down = draw.uniform(-bound, bound, (inputs, settings.rank)).astype(np.float32)
        return [down, np.zeros((settings.rank, outputs), np.float32)]

    def outputs(
        self, x: tf.Tensor, linear: Linear, weights: Sequence[tf.Tensor], training: bool | None = None
    ) -> tf.Tensor:
        """Return `x W + b + s (x A) B`; see `Adapter`."""
        down, up = weights
        return linear(x) + self.change(x, down, up, training)

    def change(self, x: tf.Tensor, down: tf.Tensor, up: tf.Tensor, training: bool | None) -> tf.Tensor:
        """Return `s (x A) B`, [rows, outputs]."""
        if self.settings.dropout:
            x = self.dropout(x, training=training)
        return product(product(x, down) * self.settings.scale, up)

    def merged(self, kernel: tf.Tensor, bias: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Return `W + s A B`, and the bias as it is."""
        down, up = self.parameters[:2]
        return kernel + tf.matmul(down.value, up.value) * self.settings.scale, bias
