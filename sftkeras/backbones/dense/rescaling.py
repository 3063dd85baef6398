"""(IA)3 (Liu et al., 2022, arXiv:2205.05638): one learned vector that rescales what a dense layer gives, or takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from sftkeras.backbones.dense.adapters import Adapter, AnyDense, Linear, sizes
from sftkeras.backbones.dense.operations import scaled


@dataclass(frozen=True)
class RescalingSettings:
    """Settings of a `Rescaling`.

    Attributes:
        of_inputs: whether it rescales what goes into the layer, not what comes out.
    """

    of_inputs: bool


class Rescaling(Adapter):
    """The vector of a dense layer, [outputs], or [inputs] if it is of these."""

    kind = "ia3"
    settings_type = RescalingSettings
    settings: RescalingSettings

    @classmethod
    def shapes(cls, inputs: int, outputs: int, settings: RescalingSettings) -> dict[str, tuple[int, ...]]:
        """Return the shape of the vector."""
        return {"ia3_l": (inputs if settings.of_inputs else outputs,)}

    @classmethod
    def first_values(cls, name: str, layer: AnyDense, settings: RescalingSettings, seed: int) -> list[np.ndarray]:
        """Return a vector of ones."""
        return [np.ones(cls.shapes(*sizes(layer), settings)["ia3_l"], np.float32)]

    def outputs(
        self, x: tf.Tensor, linear: Linear, weights: Sequence[tf.Tensor], training: bool | None = None
    ) -> tf.Tensor:
        """Return `(x l) W + b`, or `(x W + b) l`; see `Adapter`."""
        (factor,) = weights
        return linear(scaled(x, factor)) if self.settings.of_inputs else scaled(linear(x), factor)

    def merged(self, kernel: tf.Tensor, bias: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Return `W` with its rows rescaled, or its columns, and then the bias too."""
        factor = self.parameters[0].value
        if self.settings.of_inputs:
            return kernel * factor[:, tf.newaxis], bias
        return kernel * factor, None if bias is None else bias * factor
