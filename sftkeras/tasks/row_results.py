"""Losses of rows and inputs of the metrics, of a task that gives them without all logits."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import tensorflow as tf


class RowResults(NamedTuple):
    """Losses of some rows, and inputs of the metrics.

    Attributes:
        losses: [rows] float32.
        predictions: what `Task.predictions` gives.
    """

    losses: tf.Tensor
    predictions: tf.Tensor
