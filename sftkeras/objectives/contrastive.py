"""Supervised contrastive learning beside the loss of the labels: texts with the same label get similar vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from sftkeras.objectives.objective import Compared, Rows
from sftkeras.objectives.whole_batch import Ahead, WholeBatch, on_first_replica, row_losses

if TYPE_CHECKING:
    from sftkeras.tasks import Task

_NOT_COMPARED = -1e9  # score of a text with itself: nothing in a softmax


class Contrastive(WholeBatch):
    """The loss of the labels, and the supervised contrastive loss of the texts' vectors within the whole batch.

    From Gunel et al., 2021 (arXiv:2011.01403), after Khosla et al., 2020 (arXiv:2004.11362). Its network gives logits
    and text vectors side by side: see `tasks.head.with_text_vectors`. A text that is alone with its label in a batch
    has no contrastive loss.

    Args:
        task: gives each row's loss, by one label a text.
        contrast: share of the contrastive loss, the paper's lambda.
        temperature: that similarities are divided by.
    """

    def __init__(self, task: Task, contrast: float, temperature: float) -> None:
        super().__init__(task)
        self._contrast, self._temperature = contrast, temperature

    def look_ahead(self, logits: tf.Tensor, rows: Rows) -> Ahead:
        """Compute the whole batch's loss and its gradient; see `Objective.look_ahead`."""
        _, labels, weights = rows
        of_rows = row_losses(self._losses, labels, logits, weights)
        return Ahead(of_rows, self._compared(*on_first_replica(labels, logits)))

    def _losses(self, labels: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Each row's loss, [rows]."""
        logits, vectors = self._separate(labels, outputs)
        apart = contrastive_losses(labels, vectors, self._temperature)
        return (1 - self._contrast) * self._task.loss(labels, logits) + self._contrast * apart

    def _compared(self, labels: tf.Tensor, outputs: tf.Tensor) -> Compared:
        return super()._compared(labels, self._separate(labels, outputs)[0])

    def _separate(self, labels: tf.Tensor, outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The logits and the text vectors, which the network gives side by side."""
        classes = self._task.truths(labels).shape[-1]
        return outputs[:, :classes], outputs[:, classes:]


def contrastive_losses(labels: tf.Tensor, vectors: tf.Tensor, temperature: float) -> tf.Tensor:
    """Return each row's supervised contrastive loss, [rows].

    Args:
        labels: [rows] integer.
        vectors: [rows, size] float32; only their directions count.
        temperature: that similarities are divided by.
    """
    directions = tf.math.l2_normalize(vectors, -1)
    itself = tf.eye(tf.shape(labels)[0], dtype=tf.bool)
    scores = tf.where(itself, _NOT_COMPARED, tf.matmul(directions, directions, transpose_b=True) / temperature)
    same = (labels[:, tf.newaxis] == labels) & ~itself
    log_shares = tf.nn.log_softmax(scores)
    return -tf.math.divide_no_nan(
        tf.reduce_sum(tf.where(same, log_shares, 0.0), -1), tf.reduce_sum(tf.cast(same, tf.float32), -1)
    )
