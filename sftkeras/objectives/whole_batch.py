"""The loss of a batch whose rows are compared with one another, exact however the batch is cut.

Where a row's loss depends on the other rows (`Task.whole_batch`), the losses of a batch's parts do not add up to that
of the whole. But the gradient of the whole loss with respect to the logits divides by rows: the logits of all parts are
gathered, each replica takes its own rows of that gradient, and leads them back through the network, in micro-batches if
need be. This is GradCache (Gao et al., 2021, arXiv:2101.06983); it knows no task.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import tensorflow as tf

from sftkeras.backbones.dropout import RowRange
from sftkeras.objectives.objective import Compared, Loss, Network, Rows

if TYPE_CHECKING:
    from sftkeras.tasks import Task


@dataclass(frozen=True)
class Ahead:
    """Facts of the whole batch, known before its parts are computed.

    Attributes:
        rows: the losses of this replica's rows, or of a part of them.
        compared: what metrics take of all rows.
    """

    rows: RowLosses
    compared: Compared

    @property
    def total(self) -> tf.Tensor:
        """The sum of the losses of this replica's rows."""
        return tf.reduce_sum(self.rows.losses)

    def of(self, part: RowRange) -> Ahead:
        """Facts of some of the rows."""
        return Ahead(self.rows.of(part), self.compared)


class WholeBatch:
    """The task's own loss, where a row's loss depends on the others.

    Args:
        task: gives each row's loss, of a whole batch at once.
    """

    whole_batch = True

    def __init__(self, task: Task) -> None:
        self._task = task

    def look_ahead(self, logits: tf.Tensor, rows: Rows) -> Ahead:
        """Compute the whole batch's loss and its gradient; see `Objective.look_ahead`."""
        _, labels, weights = rows
        of_rows = row_losses(self._task.loss, labels, logits, weights)
        return Ahead(of_rows, self._compared(*on_first_replica(labels, logits)))

    def loss(self, network: Network, rows: Rows, ahead: Ahead | None = None) -> Loss:
        """Give the rows their part of the whole batch's loss; see `Objective.loss`."""
        inputs, _, weights = rows
        logits = network(inputs)
        known = ahead or self.look_ahead(tf.stop_gradient(logits), rows)
        return Loss(known.rows.loss(logits), tf.reduce_sum(weights), None if ahead else known.compared)

    def _compared(self, labels: tf.Tensor, logits: tf.Tensor) -> Compared:
        """Give what metrics take of rows."""
        return Compared(self._task.truths(labels), self._task.predictions(logits))


@dataclass(frozen=True)
class RowLosses:
    """Losses of some rows within their whole batch.

    Attributes:
        losses: [rows] float32, weighted: those of all rows of the batch add up to its loss.
        pull: [rows, …] float32, the gradient of the whole loss with respect to these rows' logits.
    """

    losses: tf.Tensor
    pull: tf.Tensor

    def of(self, part: RowRange) -> RowLosses:
        """Selects some of the rows."""
        end = part.first + part.rows
        return RowLosses(self.losses[part.first : end], self.pull[part.first : end])

    def loss(self, logits: tf.Tensor) -> tf.Tensor:
        """The sum of the losses, whose gradient with respect to the rows' `logits` is `pull`."""
        no_difference = logits - tf.stop_gradient(logits)
        return tf.reduce_sum(self.losses) + tf.reduce_sum(self.pull * no_difference)


def row_losses(
    loss: Callable[..., tf.Tensor], labels: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor, *further: tf.Tensor
) -> RowLosses:
    """Called on each replica with all its rows of a batch; gives what they have of the loss of all replicas' rows.

    Args:
        loss: (labels, logits, …) → each row's loss.
        labels: [rows, …].
        logits: [rows, …] float32.
        weights: [rows] float32; those of all replicas sum to one.
        *further: what else the loss takes of the rows, [rows, …].
    """
    rows = tf.shape(logits)[0]
    (labels, logits, weights, *others), first = gather(labels, logits, weights, *further)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        losses = loss(labels, logits, *others) * weights
    whole = RowLosses(losses, tape.gradient(losses, logits))
    return whole.of(RowRange(first, rows))


def on_first_replica(labels: tf.Tensor, logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """All replicas' rows on the first replica and none on the others: what metrics count, once."""
    (labels, logits), _ = gather(labels, logits)
    is_first = tf.equal(tf.distribute.get_replica_context().replica_id_in_sync_group, 0)
    rows = tf.where(is_first, tf.shape(logits)[0], 0)
    return labels[:rows], logits[:rows]


def gather(*tensors: tf.Tensor) -> tuple[list[tf.Tensor], tf.Tensor]:
    """The rows of all replicas, in their order, and where this replica's begin.

    Each puts its rows where they belong among zeros, and these are added up: unlike a gathering, that is one operation
    under every strategy, whatever the replicas' numbers of rows.
    """
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return list(tensors), tf.constant(0)
    total, replica = tf.distribute.ReduceOp.SUM, context.replica_id_in_sync_group
    rows = tf.shape(tensors[0])[0]
    counts = context.all_reduce(total, tf.one_hot(replica, context.num_replicas_in_sync, dtype=tf.int32) * rows)
    first = tf.reduce_sum(counts[:replica])
    after = tf.reduce_sum(counts) - first - rows
    whole = []
    for tensor in tensors:
        room = [[first, after], *([[0, 0]] * (len(tensor.shape) - 1))]
        whole.append(context.all_reduce(total, tf.pad(tensor, room)))
        whole[-1].set_shape([None, *tensor.shape[1:]])
    return whole, first
