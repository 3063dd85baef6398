"""Elastic weight consolidation: a penalty on leaving the weights that mattered to what was learned before.

Kirkpatrick et al., 2017, "Overcoming catastrophic forgetting in neural networks" (arXiv:1612.00796).
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf


class Consolidation:
    """The penalty, weight / 2 times the sum of F (w - w before)² over all weights w. Make it in the strategy's scope.

    Args:
        variables: the weights, with the values that they had before.
        information: F, the diagonal of the Fisher information for what was learned before, in their shapes.
        weight: how much it counts beside the loss.

    Attributes:
        variables: what it holds: F and the values before.
    """

    def __init__(self, variables: Sequence[keras.Variable], information: Sequence[np.ndarray], weight: float) -> None:
        self._weights, self._weight = list(variables), weight
        self._before = [_held(keras.ops.convert_to_numpy(variable)) for variable in variables]
        self._information = [_held(values) for values in information]

    @property
    def variables(self) -> list[tf.Variable]:
        """F of each weight, and the values before."""
        return [*self._information, *self._before]

    def __call__(self) -> tf.Tensor:
        """Return the penalty of the weights as they are, scalar float32."""
        moved = [
            tf.reduce_sum(information * tf.square(tf.cast(weight.value, tf.float32) - before))
            for weight, before, information in zip(self._weights, self._before, self._information, strict=True)
        ]
        return self._weight / 2 * tf.add_n(moved)


def _held(values: np.ndarray) -> tf.Variable:
    return tf.Variable(values, trainable=False, dtype=tf.float32)
