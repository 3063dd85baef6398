"""Soft targets: what a task takes of a teacher of the same task, and how far it is from that.

A teacher's outputs are soft targets (Hinton et al., 2015, arXiv:1503.02531): they say of each row how likely every
label is, or which number the teacher predicts, and not the right label alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    import keras

    from sftkeras.tasks.contract import Task
    from sftkeras.tasks.network import TextModel
    from sftkeras.tasks.row_results import RowResults

TEACHER = "teacher"  # what a teacher gave of rows is beside their model inputs, under names that begin so

Ask = Callable[[Mapping[str, np.ndarray], np.ndarray], np.ndarray]
"""Model inputs and labels of rows, as `Task.targets` makes them → what is kept of a teacher's outputs."""
Input = TypeVar("Input")

# Chances of an exported teacher are float32: those that it rounds to 0 or to 1 have no logit of their own.
_LEAST_CHANCE = 1e-7


def model_inputs(inputs: Mapping[str, Input]) -> dict[str, Input]:
    """Return the inputs of rows that the network takes."""
    return {name: value for name, value in inputs.items() if not name.startswith(TEACHER)}


class SoftTargets:
    """Outputs of a teacher that a task learns; as they stand here, logits of classes that exclude each other.

    Args:
        task: that learns, or that a teacher has learned.

    Attributes:
        exported: the output of an exported teacher that `of_exported` takes; None if an export does not give it.
        by_token: whether a teacher gives something for each token, so that its tokens must be the student's.
        filling: stands for what a teacher gives of padding, where it is by token.
        gives_losses: whether `row_results` gives the losses of rows, since their logits are never held.
    """

    exported: str | None = "probabilities"
    by_token: bool = False
    filling: float = 0.0
    gives_losses: bool = False

    def __init__(self, task: Task) -> None:
        self._task = task

    def dtype(self, top_k: int) -> np.dtype:
        """Return that of what is kept.

        Args:
            top_k: tokens that are kept of each place, where tokens are learned.
        """
        return np.dtype(np.float32)

    def places(self, inputs: Mapping[str, np.ndarray], labels: np.ndarray) -> np.ndarray | None:
        """Return of which places of rows a teacher gives something, [rows, places] bool; None where it is of rows.

        Args:
            inputs: model inputs of the rows.
            labels: of the rows, as `Task.targets` makes both.
        """
        return inputs["padding_mask"] > 0 if self.by_token else None

    def asking(self, model: TextModel, top_k: int) -> Ask:
        """Return what asks a teacher of the same task.

        Args:
            model: the teacher.
            top_k: see `dtype`.
        """
        tensors = model.network.input
        specs = {name: tf.TensorSpec(tensor.shape, tensor.dtype) for name, tensor in tensors.items()}

        @tf.function(input_signature=[specs], autograph=False)
        def given(inputs: dict[str, tf.Tensor]) -> tf.Tensor:
            return self.of_logits(model.network(inputs, training=False))

        return lambda inputs, labels: given({name: tf.constant(inputs[name]) for name in specs}).numpy()

    def as_inputs(self, given: np.ndarray) -> dict[str, np.ndarray]:
        """Return what is kept of rows as arrays beside their model inputs, under names that begin with `TEACHER`."""
        return {TEACHER: given}

    def learning(self, network: keras.Model) -> keras.Model:
        """Return what learns in place of the task's network: other outputs of the same layers, or the network."""
        return network

    def row_results(self, network: Any, inputs: dict[str, tf.Tensor], labels: tf.Tensor, weight: float) -> RowResults:
        """Run `learning` on rows and give their losses by labels and teacher; asked if it `gives_losses`.

        Args:
            network: runs it.
            inputs: model inputs of the rows, and what `as_inputs` gave.
            labels: those of `Task.targets`.
            weight: the teacher's share of the loss.
        """
        raise NotImplementedError

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
