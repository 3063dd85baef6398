"""Adversarial training: the loss of texts as they are, and of token vectors that are changed so that the loss rises.

A text's change follows the gradient of its own loss with respect to its token vectors, and nothing else of the batch.
So the result is the same however a batch is cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import tensorflow as tf

from sftkeras.backbones.dropout import dropout_again
from sftkeras.backbones.token_vectors import token_vectors
from sftkeras.objectives.objective import Compared, Loss, Network, Rows

if TYPE_CHECKING:
    from sftkeras.tasks import Task

# Only the direction of a gradient matters here; in float16, that of a small loss would be zero.
_GRADIENT_SCALE = 1024.0
_SMALLEST_NORM = 1e-12


@dataclass(frozen=True)
class Attack:
    """Way from unchanged token vectors to changed ones.

    Attributes:
        steps: number of times that the change grows.
        step_size: norm by which it grows, as a share of that of the text's token vectors.
        radius: largest norm of the change, as such a share.
    """

    steps: int
    step_size: float
    radius: float

    def grow(self, change: tf.Tensor | None, gradient: tf.Tensor, norms: tf.Tensor) -> tf.Tensor:
        """Return a change that raises the loss more.

        Args:
            change: so far, [rows, length, size] float32; None is none.
            gradient: of each row's loss with respect to its token vectors, the same shape.
            norms: of the rows' unchanged token vectors, [rows, 1, 1].
        """
        step = gradient * (self.step_size * norms / tf.maximum(_norms(gradient), _SMALLEST_NORM))
        grown = step if change is None else change + step
        return grown * tf.minimum(1.0, self.radius * norms / tf.maximum(_norms(grown), _SMALLEST_NORM))


class Adversarial:
    """The mean of the loss of unchanged token vectors and of changed ones.

    One step of the size `radius` is FGM (Miyato et al., 2017, arXiv:1605.07725), several are PGD (Madry et al., 2018,
    arXiv:1706.06083). With `every_step` it is FreeLB (Zhu et al., 2020, arXiv:1909.11764), the mean over all changes on
    the way. The papers of the first two add both losses; the mean keeps the size of the gradient. Sizes are shares of
    the norm of a text's token vectors (the first paper scales the vectors instead), so that they suit any encoder.

    All passes over a batch have the same dropout.

    Args:
        task: gives each row's loss.
        attack: how token vectors are changed.
        every_step: whether the changes on the way count, and not the last alone.
    """

    whole_batch = False

    def __init__(self, task: Task, attack: Attack, *, every_step: bool) -> None:
        self._task, self._attack, self._every_step = task, attack, every_step

    def look_ahead(self, logits: tf.Tensor, rows: Rows) -> None:
        """Nothing: each row's loss is its own."""

    def loss(self, network: Network, rows: Rows, ahead: None = None) -> Loss:
        """Average the losses over the changes; see `Objective.loss`. Its network gives its token vectors."""
        inputs, labels, weights = rows
        same_dropout = dropout_again()
        change: tf.Tensor | None = None
        losses = []
        for step in range(self._attack.steps + 1):
            # Only the token vectors are watched: the gradients of the weights are taken by who called this.
            with tf.GradientTape(watch_accessed_variables=False) as tape, token_vectors(tape, change) as vectors:
                with same_dropout():
                    found = self._task.row_results(network, inputs, labels)
                scaled = found.losses * _GRADIENT_SCALE
            losses.append(found.losses)
            if step == 0:
                unchanged, norms = found, _norms(_tokens_alone(vectors.found[0], inputs["padding_mask"]))
            if step < self._attack.steps:
                gradient = tf.cast(tape.gradient(scaled, vectors.found[0]), tf.float32)
                change = tf.stop_gradient(self._attack.grow(change, gradient, norms))
        counted = losses if self._every_step else [losses[0], losses[-1]]
        mean = tf.add_n(counted) / len(counted)
        compared = Compared(self._task.truths(labels), unchanged.predictions)
        return Loss(tf.reduce_sum(mean * weights), tf.reduce_sum(weights), compared)


def _tokens_alone(vectors: tf.Tensor, padding_mask: tf.Tensor) -> tf.Tensor:
    """The vectors [rows, length, size] as float32, zero where `padding_mask` [rows, length] is."""
    return tf.cast(vectors, tf.float32) * tf.cast(padding_mask, tf.float32)[:, :, tf.newaxis]


def _norms(rows: tf.Tensor) -> tf.Tensor:
    """The norm of each row of `rows` [rows, length, size], [rows, 1, 1]."""
    return tf.sqrt(tf.reduce_sum(tf.square(rows), [1, 2], keepdims=True))
