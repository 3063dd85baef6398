"""Adversarial training: the loss of texts as they are, and of token vectors that are changed for the worse.

A text's change follows the gradient of its own loss with respect to its token vectors, and nothing else of the batch.
So the result is the same however a batch is cut.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import tensorflow as tf

from sftkeras.backbones.dropout import dropout_again
from sftkeras.backbones.token_vectors import token_vectors
from sftkeras.objectives.objective import Compared, Loss, Network, Rows

if TYPE_CHECKING:
    from sftkeras.tasks import Task

Result = TypeVar("Result")

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

        def run(_: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
            found = self._task.row_results(network, inputs, labels)
            return found.losses, found.predictions

        losses, predictions = zip(*_passes(self._attack, inputs["padding_mask"], run), strict=True)
        counted = losses if self._every_step else [losses[0], losses[-1]]
        mean = tf.add_n(counted) / len(counted)
        compared = Compared(self._task.truths(labels), predictions[0])
        return Loss(tf.reduce_sum(mean * weights), tf.reduce_sum(weights), compared)


class Smart:
    """The loss of unchanged token vectors, and how far the predictions of changed ones are from theirs.

    The smoothness-inducing regularizer of SMART (Jiang et al., 2020, arXiv:1911.03437), without its proximal point
    method. A change raises the divergence of the predictions. That is least without a change, so the paper begins with
    random ones; here the first step follows the gradient of the loss, so that a change is a function of its text. Of
    classes, `Task.divergence` is half of the paper's, so `agreement` is twice its lambda.

    Args:
        task: gives each row's loss and divergence.
        attack: how token vectors are changed.
        agreement: weight of the divergence beside the loss.
    """

    whole_batch = False

    def __init__(self, task: Task, attack: Attack, agreement: float) -> None:
        self._task, self._attack, self._agreement = task, attack, agreement

    def look_ahead(self, logits: tf.Tensor, rows: Rows) -> None:
        """Nothing: each row's loss is its own."""

    def loss(self, network: Network, rows: Rows, ahead: None = None) -> Loss:
        """Compare the predictions of both; see `Objective.loss`. Its network gives its token vectors."""
        inputs, labels, weights = rows

        def run(unchanged: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
            logits = network(inputs)
            if unchanged is None:
                return self._task.loss(labels, logits), logits
            return self._task.divergence(labels, unchanged, logits), logits

        (loss, unchanged), *_, (divergence, _) = _passes(self._attack, inputs["padding_mask"], run)
        losses = loss + self._agreement * divergence
        compared = Compared(self._task.truths(labels), self._task.predictions(unchanged))
        return Loss(tf.reduce_sum(losses * weights), tf.reduce_sum(weights), compared)


def _passes(
    attack: Attack, padding_mask: tf.Tensor, run: Callable[[Result | None], tuple[tf.Tensor, Result]]
) -> list[tuple[tf.Tensor, Result]]:
    """Runs a network with unchanged token vectors, and after each growth of their change, with the same dropout.

    Args:
        attack: how token vectors are changed.
        padding_mask: of the rows, [rows, length].
        run: given the result of the unchanged vectors, once it is there, runs the network; gives what a change shall
            raise, [rows], and a result.

    Returns:
        Both of each pass.
    """
    same_dropout = dropout_again()
    change: tf.Tensor | None = None
    passes: list[tuple[tf.Tensor, Result]] = []
    for step in range(attack.steps + 1):
        # Only the token vectors are watched: the gradients of the weights are taken by who called this.
        with tf.GradientTape(watch_accessed_variables=False) as tape, token_vectors(tape, change) as vectors:
            with same_dropout():
                raised, result = run(passes[0][1] if passes else None)
            scaled = raised * _GRADIENT_SCALE
        passes.append((raised, result))
        if step == 0:
            norms = _norms(_tokens_alone(vectors.found[0], padding_mask))
        if step < attack.steps:
            gradient = tf.cast(tape.gradient(scaled, vectors.found[0]), tf.float32)
            change = tf.stop_gradient(attack.grow(change, gradient, norms))
    return passes


def _tokens_alone(vectors: tf.Tensor, padding_mask: tf.Tensor) -> tf.Tensor:
    """The vectors [rows, length, size] as float32, zero where `padding_mask` [rows, length] is."""
    return tf.cast(vectors, tf.float32) * tf.cast(padding_mask, tf.float32)[:, :, tf.newaxis]


def _norms(rows: tf.Tensor) -> tf.Tensor:
    """The norm of each row of `rows` [rows, length, size], [rows, 1, 1]."""
    return tf.sqrt(tf.reduce_sum(tf.square(rows), [1, 2], keepdims=True))
