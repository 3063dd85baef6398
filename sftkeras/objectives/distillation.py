"""Distillation: the loss of the labels, and how far the predictions are from a teacher's (Hinton et al., 2015).

What the teacher gave of the rows comes with their model inputs, computed before training.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from sftkeras.objectives.objective import Compared, Loss, Network, RowByRow, Rows
from sftkeras.objectives.whole_batch import Ahead, WholeBatch, on_first_replica, row_losses
from sftkeras.tasks.soft_targets import TEACHER, model_inputs

if TYPE_CHECKING:
    from sftkeras.objectives.inner_distillation import InnerDistillation
    from sftkeras.tasks import Task
    from sftkeras.tasks.row_results import RowResults
    from sftkeras.tasks.soft_targets import SoftTargets


class Mixture:
    """The losses of rows by their labels and by a teacher, in fixed shares.

    Args:
        task: gives the losses of the labels.
        targets: of the task.
        weight: the teacher's share.
        temperature: what logits are divided by, the teacher's and the network's.
        known: places of the logits that the teacher gives, where the network has more, as in learning without
            forgetting (Li and Hoiem, 2016, arXiv:1606.09282); None if it gives all.
    """

    def __init__(
        self, task: Task, targets: SoftTargets, weight: float, temperature: float, known: np.ndarray | None = None
    ) -> None:
        self._task, self._targets, self._weight, self._temperature = task, targets, weight, temperature
        self._known = known

    def __call__(self, labels: tf.Tensor, logits: tf.Tensor, given: tf.Tensor) -> tf.Tensor:
        """Return each row's loss, [rows] float32; `given` is what the teacher gave."""
        both = logits if self._known is None else tf.gather(logits, self._known, axis=-1)
        soft = self._targets.losses(labels, both, given, self._temperature)
        if self._weight == 1:
            return soft
        return (1 - self._weight) * self._task.loss(labels, logits) + self._weight * soft


class Distilled:
    """The mixed loss where no row's loss depends on another row.

    Args:
        task: makes predictions of logits.
        mixture: gives each row's loss.
        inner: gives each row's distance from the inside of the teacher, which is added; None adds nothing.
    """

    whole_batch = False

    def __init__(self, task: Task, mixture: Mixture, inner: InnerDistillation | None = None) -> None:
        self._task, self._mixture, self._inner = task, mixture, inner

    def look_ahead(self, logits: tf.Tensor, rows: Rows) -> None:
        """Nothing: each part's loss is its own."""

    def loss(self, network: Network, rows: Rows, ahead: None = None) -> Loss:
        """Sum the mixed losses of the rows; see `Objective.loss`."""
        inputs, labels, weights = rows
        if self._inner:
            logits, distances = self._inner(model_inputs(inputs))
        else:
            logits, distances = network(model_inputs(inputs)), 0.0
        losses = self._mixture(labels, logits, inputs[TEACHER]) + distances
        compared = Compared(self._task.truths(labels), self._task.predictions(logits))
        return Loss(tf.reduce_sum(losses * weights), tf.reduce_sum(weights), compared)


class DistilledResults(RowByRow):
    """The mixed loss of a task that gives the losses of rows without all their logits.

    Args:
        task: gives what metrics compare.
        targets: of the task, which `gives_losses`.
        weight: the teacher's share.
    """

    def __init__(self, task: Task, targets: SoftTargets, weight: float) -> None:
        super().__init__(task)
        self._targets, self._weight = targets, weight

    def _results(self, network: Network, inputs: dict[str, tf.Tensor], labels: tf.Tensor) -> RowResults:
        return self._targets.row_results(network, inputs, labels, self._weight)


class DistilledWholeBatch(WholeBatch):
    """The mixed loss where a row's loss depends on the others.

    Args:
        task: makes predictions of logits.
        mixture: gives each row's loss, of a whole batch at once.
    """

    def __init__(self, task: Task, mixture: Mixture) -> None:
        super().__init__(task)
        self._mixture = mixture

    def look_ahead(self, logits: tf.Tensor, rows: Rows) -> Ahead:
        """Compute the whole batch's loss and its gradient; see `Objective.look_ahead`."""
        inputs, labels, weights = rows
        of_rows = row_losses(self._mixture, labels, logits, weights, inputs[TEACHER])
        return Ahead(of_rows, self._compared(*on_first_replica(labels, logits)))

    def loss(self, network: Network, rows: Rows, ahead: Ahead | None = None) -> Loss:
        """Give the rows their part of the whole batch's loss; see `Objective.loss`."""
        return super().loss(partial(_without_teacher, network), rows, ahead)


def _without_teacher(network: Network, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
    return network(model_inputs(inputs))
