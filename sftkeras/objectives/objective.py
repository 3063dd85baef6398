"""The loss of rows of a batch, given a way to run the network. What becomes of it is the training step's.

Each row comes with its weight, and the weights of a whole batch sum to one. So the losses of a batch's parts, however
it is cut, add up to the batch's, and so do their gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import tensorflow as tf

if TYPE_CHECKING:
    from sftkeras.tasks import Task
    from sftkeras.tasks.row_results import RowResults

Rows = tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]  # model inputs, labels, weights [rows] float32
Network = Callable[[dict[str, tf.Tensor]], tf.Tensor]  # model inputs → logits, as in training or as in validation


class Compared(NamedTuple):
    """Inputs of the task's metrics: see `Task.truths` and `Task.predictions`."""

    truths: tf.Tensor
    predictions: tf.Tensor


class Loss(NamedTuple):
    """The loss of some rows.

    Attributes:
        total: scalar float32, the sum of the rows' weighted losses.
        weight: scalar float32, the sum of their weights: which part of the whole batch they are.
        compared: what metrics take of them; None if it was given before.
    """

    total: tf.Tensor
    weight: tf.Tensor
    compared: Compared | None


class Objective(Protocol):
    """The loss that the training step minimises, on each replica, for all its rows of a batch or for a part at a time.

    Attributes:
        whole_batch: whether a row's loss depends on the other rows of its batch, those of other replicas included.
    """

    whole_batch: bool

    def look_ahead(self, logits: tf.Tensor, rows: Rows) -> Any:
        """Compute what `loss` needs of the whole batch, before any part: asked if `whole_batch`, with all logits."""

    def loss(self, network: Network, rows: Rows, ahead: Any = None) -> Loss:
        """Run the network on the rows, under a gradient tape when training, and compute their loss.

        Args:
            network: runs the network.
            rows: all rows of this replica, or a part of them.
            ahead: if they are a part, what `look_ahead` gave, for these rows.
        """


class RowByRow:
    """The task's own loss, where no row's loss depends on another row.

    Args:
        task: gives each row's loss.
    """

    whole_batch = False

    def __init__(self, task: Task) -> None:
        self._task = task

    def look_ahead(self, logits: tf.Tensor, rows: Rows) -> None:
        """Nothing: each part's loss is its own."""

    def loss(self, network: Network, rows: Rows, ahead: None = None) -> Loss:
        """Sum the losses that the task gives each row; see `Objective.loss`."""
        inputs, labels, weights = rows
        losses, predictions = self._results(network, inputs, labels)
        compared = Compared(self._task.truths(labels), predictions)
        return Loss(tf.reduce_sum(losses * weights), tf.reduce_sum(weights), compared)

    def _results(self, network: Network, inputs: dict[str, tf.Tensor], labels: tf.Tensor) -> RowResults:
        return self._task.row_results(network, inputs, labels)
