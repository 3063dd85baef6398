"""LoRA (Hu et al., 2021, arXiv:2106.09685): two small matrices beside a kernel, whose product is its change.

The layer computes `x W + s (x A) B`, so that neither the product of A and B nor a gradient of its size is ever made.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from sftkeras.backbones.adapters import Adapter
from sftkeras.backbones.dense_operations import product


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
    """The two matrices of a dense layer.

    Args:
        inputs: of the layer.
        outputs: of the layer.
        settings: rank and scale.
        down: the first values of A, [inputs, rank].
        up: those of B, [rank, outputs]; None is zeros, so that the layer begins unchanged.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        settings: LowRankSettings,
        *,
        down: np.ndarray,
        up: np.ndarray | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.settings = settings

        def initial(values: np.ndarray) -> Any:
            return lambda shape, dtype=None: tf.constant(values, dtype)

        rank = settings.rank
        self.down = self.add_weight(shape=(inputs, rank), initializer=initial(down), name="lora_a")
        up_values = np.zeros((rank, outputs), np.float32) if up is None else up
        self.up = self.add_weight(shape=(rank, outputs), initializer=initial(up_values), name="lora_b")
        # A stock one, which `use_stream_dropout` turns into one whose mask is a function of the row.
        self.dropout = keras.layers.Dropout(settings.dropout, dtype=self.dtype_policy, name="dropout")
        self.built = True

    def added(self, x: tf.Tensor, weights: Sequence[tf.Tensor], training: bool | None = None) -> tf.Tensor:
        """Return `s (x A) B`; see `Adapter`."""
        down, up = weights
        if self.settings.dropout:
            x = self.dropout(x, training=training)
        return product(product(x, down) * self.settings.scale, up)

    def tensors(self) -> list[tf.Tensor]:
        """Return A and B."""
        return [tf.convert_to_tensor(variable.value) for variable in (self.down, self.up)]

    def change(self) -> tf.Tensor:
        """Return `s A B`, [inputs, outputs]."""
        return tf.matmul(self.down.value, self.up.value) * self.settings.scale

    def describe(self) -> dict[str, Any]:
        """Return all that another of its kind needs, but for the weights."""
        return asdict(self.settings)


def first_values(name: str, inputs: int, rank: int, seed: int) -> np.ndarray:
    """Return the first values of A, [inputs, rank]: uniform, as PEFT draws them, by the seed and the layer's name."""
    bound = 1 / math.sqrt(inputs)  # Kaiming's for a slope of sqrt(5), as torch.nn.Linear begins
    draw = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return draw.uniform(-bound, bound, (inputs, rank)).astype(np.float32)
