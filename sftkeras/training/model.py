"""The model that `fit` trains: a training step that is exact on one device and on many.

Each batch carries its examples' weights, which sum to one over the whole batch. A replica's loss, and a micro-batch's,
is then simply its part of the sum, and so is its gradient: however a batch is cut, the sum is the whole's gradient.
Regularization losses of the network are shared out by the same weights, so that they too count once.
Clipping, the finite check and the update see that sum.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from sftkeras.backbones.dropout import dropout_stream
from sftkeras.tasks import Task
from sftkeras.training.keras_faults import NoSymbolicBuild, stop_reducing_gradients

Batch = tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]  # model inputs, labels, weights


class SupervisedModel(NoSymbolicBuild, keras.Model):
    """A task's network with its loss and metrics, trained by `fit`.

    Args:
        network: model inputs to float32 logits.
        task: gives loss and metrics.
        seed: decides the dropout.
        clip_norm: largest norm of the whole gradient; None does not clip.
        accumulation: micro-batches a batch is computed in.
    """

    def __init__(
        self, network: keras.Model, task: Task, *, seed: int, clip_norm: float | None, accumulation: int = 1
    ) -> None:
        super().__init__(name="supervised")
        self.network = network
        self.task = task
        self.seed_number = seed
        self.clip_norm = clip_norm
        self.accumulation = accumulation
        self._loss = keras.metrics.Mean(name="loss", dtype="float32")
        self._gradient_norm = keras.metrics.Mean(name="gradient_norm", dtype="float32")
        self._task_metrics = task.metrics()
        self.built = True

    def compile(self, optimizer: keras.optimizers.Optimizer, **kwargs: Any) -> None:
        """Prepares for `fit`; the loss and the metrics are the task's."""
        optimizer.build(self.network.trainable_variables)
        stop_reducing_gradients(optimizer)
        super().compile(optimizer=optimizer, loss=None, jit_compile=False, **kwargs)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Those `fit` resets at each epoch and `evaluate` at its start."""
        return [self._loss, self._gradient_norm, *self._task_metrics]

    def call(self, inputs: dict[str, tf.Tensor], training: bool | None = None) -> tf.Tensor:
        """Gives logits."""
        return self.network(inputs, training=training)

    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """Updates the weights by one batch; called on each replica with its part of it."""
        _, labels, _ = data
        loss, logits, gradients = self._accumulate(data) if self.accumulation > 1 else self._gradients(data, 0)
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync > 1:
            loss, gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, (loss, gradients))
        norm, gradients = self._clip(gradients)
        self.optimizer.apply(gradients, self.network.trainable_variables)
        # A float16 step whose scaled gradient overflowed is skipped by the optimizer, and counts for nothing here.
        finite = tf.math.is_finite(norm)
        self._gradient_norm.update_state(tf.where(finite, norm, 0.0), sample_weight=tf.cast(finite, tf.float32))
        return {**self._update_metrics(loss, labels, logits), "gradient_norm": norm}

    def test_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """Judges one batch by the task's loss alone; called on each replica with its part of it."""
        inputs, labels, weights = data
        logits = self.network(inputs, training=False)
        loss = tf.reduce_sum(self.task.loss(labels, logits) * weights)
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync > 1:
            loss = context.all_reduce(tf.distribute.ReduceOp.SUM, loss)
        return {**self._update_metrics(loss, labels, logits), "gradient_norm": self._gradient_norm.result()}

    def _gradients(self, data: Batch, micro_batch: tf.Tensor | int) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        """This part's loss, logits, and dense gradients of the (scaled) loss."""
        inputs, labels, weights = data
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        with (
            dropout_stream(self.seed_number, self.optimizer.iterations.value, replica, micro_batch),
            tf.GradientTape() as tape,
        ):
            logits = self.network(inputs, training=True)
            loss = tf.reduce_sum(self.task.loss(labels, logits) * weights)
            if penalties := self.network.losses:  # of the weights, not of the examples: each part bears its share
                loss += tf.add_n(penalties) * tf.reduce_sum(weights)
            scaled = self.optimizer.scale_loss(loss)
        variables = [variable.value for variable in self.network.trainable_variables]
        gradients = tape.gradient(scaled, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        # Embedding gradients come as slices with repeated rows, whose norm is not the gradient's: make them dense.
        return loss, logits, [tf.convert_to_tensor(gradient) for gradient in gradients]

    def _accumulate(self, data: Batch) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        """As `_gradients`, one micro-batch after the other, so that only one's activations are held."""
        rows = tf.shape(data[1])[0]
        parts = self.accumulation

        def add_part(part: tf.Tensor, loss: tf.Tensor, logits: tf.TensorArray, sums: list[tf.Tensor]) -> tuple:
            begin, end = rows * part // parts, rows * (part + 1) // parts
            piece = tf.nest.map_structure(lambda tensor: tensor[begin:end], data)
            part_loss, part_logits, gradients = self._gradients(piece, part)
            sums = [total + gradient for total, gradient in zip(sums, gradients, strict=True)]
            return part + 1, loss + part_loss, logits.write(part, part_logits), sums

        start = (
            tf.constant(0),
            tf.constant(0.0),
            tf.TensorArray(tf.float32, parts, infer_shape=False, element_shape=[None, *self.network.output_shape[1:]]),
            [tf.zeros(variable.shape, variable.dtype) for variable in self.network.trainable_variables],
        )
        _, loss, logits, sums = tf.while_loop(lambda part, *_: part < parts, add_part, start, parallel_iterations=1)
        return loss, logits.concat(), sums

    def _clip(self, gradients: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """The norm of the true, unscaled gradient, and the gradients scaled down to `clip_norm`."""
        scale = self.optimizer.scale_loss(tf.constant(1.0))
        norm = tf.linalg.global_norm(gradients) / scale
        if self.clip_norm is None:
            return norm, gradients
        factor = tf.minimum(1.0, self.clip_norm / tf.maximum(norm, 1e-12))
        return norm, [gradient * factor for gradient in gradients]

    def _update_metrics(self, loss: tf.Tensor, labels: tf.Tensor, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """Adds this replica's part to the metrics; gives the batch's loss and the metrics so far."""
        self._loss.update_state(loss, sample_weight=tf.shape(labels)[0])
        truths, answers = self.task.truths(labels), self.task.answers(logits)
        for metric in self._task_metrics:
            metric.update_state(truths, answers)
        return {"loss": loss, **{metric.name: metric.result() for metric in self._task_metrics}}
