"""R-Drop (Liang et al., 2021, arXiv:2106.14448): predictions under two dropout masks shall agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from sftkeras.objectives.objective import Compared, Loss, Network, Rows

if TYPE_CHECKING:
    from sftkeras.tasks import Task


class RDrop:
    """The mean of the losses under two dropout masks, and how far their predictions are apart.

    The paper adds both losses and `agreement` times the divergence; half of that keeps the size of the gradient.

    Args:
        task: gives each row's loss and divergence.
        agreement: weight of the divergence beside the two losses.
    """

    whole_batch = False

    def __init__(self, task: Task, agreement: float) -> None:
        self._task, self._agreement = task, agreement

    def look_ahead(self, logits: tf.Tensor, rows: Rows) -> None:
        """Nothing: each row's loss is its own."""

    def loss(self, network: Network, rows: Rows, ahead: None = None) -> Loss:
        """Run the network twice; see `Objective.loss`."""
        inputs, labels, weights = rows
        first, second = network(inputs), network(inputs)  # the second draws other masks
        losses = self._task.loss(labels, first) + self._task.loss(labels, second)
        losses += self._agreement * self._task.divergence(labels, first, second)
        compared = Compared(self._task.truths(labels), self._task.predictions(first))
        return Loss(tf.reduce_sum(losses * weights) / 2, tf.reduce_sum(weights), compared)
