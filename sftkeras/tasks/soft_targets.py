"""Soft targets: what a task takes of a teacher of the same task, and how far it is from that.

A teacher's outputs are soft targets (Hinton et al., 2015, arXiv:1503.02531): they say of each row how likely every
label is, or which number the teacher predicts, and not the right label alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from sftkeras.tasks.contract import Task

# Chances of an exported teacher are float32: those that it rounds to 0 or to 1 have no logit of their own.
_LEAST_CHANCE = 1e-7


class SoftTargets:
    """Outputs of a teacher that a task learns; as they stand here, logits of classes that exclude each other.

    Args:
        task: that learns, or that a teacher has learned.

    Attributes:
        exported: the output of an exported teacher that `of_exported` takes; None if an export does not give it.
        by_token: whether a teacher gives something for each token, so that its tokens must be the student's.
        filling: stands for what a teacher gives of padding, where it is by token.
    """

    exported: str | None = "probabilities"
    by_token: bool = False
    filling: float = 0.0

    def __init__(self, task: Task) -> None:
        self._task = task

    def of_logits(self, logits: tf.Tensor) -> tf.Tensor:
        """Return what is kept of a teacher's logits, [rows, …] float32."""
        return logits

    def of_exported(self, output: np.ndarray) -> np.ndarray:
        """Return the same of an exported teacher's output.

        The logarithms of probabilities are logits, but for a constant in each row.
        """
        return np.log(np.maximum(output, _LEAST_CHANCE))

    def losses(self, labels: tf.Tensor, logits: tf.Tensor, given: tf.Tensor, temperature: float) -> tf.Tensor:
        """Return how far each row's logits are from what the teacher gave, [rows] float32, 0 where they agree.

        Args:
            labels: those of `Task.targets`; what the task's loss leaves out is left out here.
            logits: of this task, which learns.
            given: what was kept of the teacher's.
            temperature: what the logits of both are divided by.
        """
        return from_classes(given, logits, temperature)


class Chances(SoftTargets):
    """Soft targets of labels each of which a text has or not."""

    def of_exported(self, output: np.ndarray) -> np.ndarray:
        """Return the logits of chances [rows, labels]."""
        chances = np.clip(output.astype(np.float64), _LEAST_CHANCE, 1 - _LEAST_CHANCE)
        return (np.log(chances) - np.log1p(-chances)).astype(np.float32)

    def losses(self, labels: tf.Tensor, logits: tf.Tensor, given: tf.Tensor, temperature: float) -> tf.Tensor:
        """Return the divergence of each label's own probability, averaged over the labels; see `SoftTargets`."""
        yes, no = ((tf.math.log_sigmoid(sign * given / temperature)) for sign in (1, -1))
        own_yes, own_no = ((tf.math.log_sigmoid(sign * logits / temperature)) for sign in (1, -1))
        divergence = tf.exp(yes) * (yes - own_yes) + tf.exp(no) * (no - own_no)
        return temperature**2 * tf.reduce_mean(divergence, -1)


class Values(SoftTargets):
    """Soft targets that are a number a text, in the unit of the data; the temperature has no meaning here."""

    exported = "value"

    def of_logits(self, logits: tf.Tensor) -> tf.Tensor:
        """Return the predicted numbers, [rows]: a teacher may have learned another unit."""
        return self._task.predictions(logits)

    def of_exported(self, output: np.ndarray) -> np.ndarray:
        """Return them as they are."""
        return output

    def losses(self, labels: tf.Tensor, logits: tf.Tensor, given: tf.Tensor, temperature: float) -> tf.Tensor:
        """Return the loss with the teacher's numbers as labels."""
        return self._task.loss(given, logits)


def from_classes(given: tf.Tensor, logits: tf.Tensor, temperature: float, axis: int = -1) -> tf.Tensor:
    """Return the Kullback-Leibler divergence of probabilities from a teacher's.

    It is multiplied by the square of the temperature, so that its gradient does not shrink as that rises (Hinton et
    al., 2015); the cross-entropy of the paper is this and a constant.

    Args:
        given: the teacher's logits, any shape.
        logits: others of the same shape.
        temperature: what both are divided by.
        axis: that of the classes, which is left out of the result.
    """
    theirs, ours = (tf.nn.log_softmax(values / temperature, axis) for values in (given, logits))
    return temperature**2 * tf.reduce_sum(tf.exp(theirs) * (theirs - ours), axis)
