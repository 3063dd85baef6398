"""The model that `fit` trains: a training step that is exact on one device and on many.

Each batch carries its examples' weights, which sum to one over the whole batch. A replica's loss, and a micro-batch's,
is then simply its part of the sum, and so is its gradient: however a batch is cut, the sum is the whole's gradient.
Regularization losses of the network are shared out by the same weights, so that they too count once. Where a row's loss
depends on the other rows, whole_batch.py makes it a sum over rows all the same.
Clipping, the finite check and the update see that sum.

Nothing of the model changes before the whole gradient is there, so a step that runs out of memory on the way can be
done again. That holds for the metrics too: micro-batches count into tensors, and the logits of no more than one are
held, unless the loss is one of whole batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import keras
import tensorflow as tf

from sftkeras.backbones.dropout import Part, dropout_stream
from sftkeras.tasks import Task
from sftkeras.training.step.averaging import WeightAverage
from sftkeras.training.step.counting import Counts, count_rows, counts_so_far, keep_counts
from sftkeras.training.step.keras_faults import LogsOfOneReplica, NoSymbolicBuild, stop_reducing_gradients
from sftkeras.training.step.summing import Gradient, dense, sum_over_replicas
from sftkeras.training.step.whole_batch import RowLosses, on_first_replica, row_losses
from sftkeras.training.watching.timing import StepClock
from sftkeras.tuning.unfreezing import Unfreezing

Batch = tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]  # model inputs, labels, weights
StepFunction = Callable[[Any], dict[str, tf.Tensor]]  # takes an iterator over batches, does the step of the next one


class StepGuard(Protocol):
    """What stands between `fit` and its steps."""

    def __call__(self, step: StepFunction) -> StepFunction:
        """Wraps the function that trains on a batch."""
        ...

    def judging(self, step: StepFunction) -> StepFunction:
        """Wraps the function that judges a batch."""
        ...


class SupervisedModel(NoSymbolicBuild, LogsOfOneReplica, keras.Model):
    """A task's network with its loss and metrics, trained by `fit`.

    Args:
        network: model inputs to float32 logits.
        task: gives loss and metrics.
        seed: decides the dropout.
        clip_norm: largest norm of the whole gradient; None does not clip.
        accumulation: micro-batches a batch is computed in.
        ema: share of the weights' running average that stays in a step; None keeps no average.
        unfreezing: which weights learn in which epoch; None lets all learn.

    Attributes:
        guard: wraps the functions that train on a batch and judge one; None leaves them as they are.
    """

    train_function: StepFunction | None
    test_function: StepFunction | None

    def __init__(
        self,
        network: keras.Model,
        task: Task,
        *,
        seed: int,
        clip_norm: float | None,
        accumulation: int = 1,
        ema: float | None = None,
        unfreezing: Unfreezing | None = None,
    ) -> None:
        super().__init__(name="supervised")
        self.network = network
        self.task = task
        self.seed_number = seed
        self.clip_norm = clip_norm
        self.accumulation = accumulation
        self.unfreezing = unfreezing
        self.guard: StepGuard | None = None
        self._learning = tuple(range(len(network.trainable_variables)))  # positions of the variables that learn
        self._average = WeightAverage(network.trainable_variables, ema) if ema else None
        self._updates_begun = tf.Variable(
            0, trainable=False, dtype=tf.int64, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA
        )
        self._loss = keras.metrics.Mean(name="loss", dtype="float32")
        self._gradient_norm = keras.metrics.Mean(name="gradient_norm", dtype="float32")
        self._task_metrics = task.metrics()
        self.clock = StepClock()
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

    @property
    def averages(self) -> list[keras.Variable]:
        """The running averages of the weights, in their order; empty where none are kept."""
        return self._average.averages if self._average else []

    @property
    def updates_begun(self) -> int:
        """How many steps have begun to change the weights."""
        return int(self._updates_begun.numpy())

    def judged(self) -> AbstractContextManager[Any]:
        """A context in which the network's weights are those to validate and to keep: their averages, if there are."""
        return self._average.in_place() if self._average else nullcontext()

    def train_only(self, positions: Sequence[int]) -> None:
        """Lets only some of the network's trainable variables learn; costs tracing the step again if they are others.

        The others keep their moments, are not decayed, and nothing is computed for their gradients.
        """
        if tuple(positions) != self._learning:
            self._learning = tuple(positions)
            self.make_train_function(force=True)

    def split_further(self, accumulation: int) -> None:
        """Computes batches in so many micro-batches from now on."""
        self.accumulation = accumulation
        self.make_train_function(force=True)

    def make_train_function(self, force: bool = False) -> None:
        """Makes the function that `fit` calls for a step."""
        if self.train_function is None or force:
            super().make_train_function(force)
            if self.guard and self.train_function:
                self.train_function = self.guard(self.train_function)

    def make_test_function(self, force: bool = False) -> None:
        """Makes the function that `fit` and `evaluate` call to judge a batch."""
        if self.test_function is None or force:
            super().make_test_function(force)
            if self.guard and self.test_function:
                self.test_function = self.guard.judging(self.test_function)

    def call(self, inputs: dict[str, tf.Tensor], training: bool | None = None) -> tf.Tensor:
        """Gives logits."""
        return self.network(inputs, training=training)

    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """Updates the weights by one batch; called on each replica with its part of it."""
        arrived, data = self.clock.arrived(data)
        loss, counts, gradients = self._accumulate(data) if self.accumulation > 1 else self._at_once(data)
        own_gradients = gradients
        loss, gradients = sum_over_replicas(loss, gradients, self._learning_variables())
        self.clock.note(arrived, own_gradients, gradients)
        norm, gradients = self._clip(gradients)
        with tf.control_dependencies([norm, *gradients]):
            self._update_weights(gradients)
            # A float16 step whose scaled gradient overflowed is skipped by the optimizer, and counts for nothing here.
            finite = tf.math.is_finite(norm)
            self._gradient_norm.update_state(tf.where(finite, norm, 0.0), sample_weight=tf.cast(finite, tf.float32))
            return {**self._update_metrics(data, loss, counts), "gradient_norm": norm}

    def test_step(self, data: Batch) -> dict[str, tf.Tensor]:
        """Judges one batch by the task's loss alone; called on each replica with its part of it."""
        with self.judged():
            loss, counts = self._judge_whole(data) if self.task.whole_batch else self._judge_parts(data)
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync > 1:
            loss = context.all_reduce(tf.distribute.ReduceOp.SUM, loss)
        return {**self._update_metrics(data, loss, counts), "gradient_norm": self._gradient_norm.result()}

    def _judge_whole(self, data: Batch) -> tuple[tf.Tensor, Counts]:
        """The loss of this replica's rows where it is one of the whole batch, and the metrics' counts with them."""
        _, labels, weights = data
        logits = self._logits(data)
        losses = row_losses(self.task.loss, labels, logits, weights).losses
        return tf.reduce_sum(losses), self._count(labels, logits, counts_so_far(self._task_metrics))

    def _judge_parts(self, data: Batch) -> tuple[tf.Tensor, Counts]:
        """The loss of this replica's rows, one micro-batch after the other, and the metrics' counts with them."""

        def add_part(piece: Batch, part: Part | None, loss: tf.Tensor, counts: Counts) -> tuple:
            inputs, labels, weights = piece
            logits = self.network(inputs, training=False)
            part_loss = tf.reduce_sum(self.task.loss(labels, logits) * weights)
            return loss + part_loss, self._count(labels, logits, counts)

        start = (tf.constant(0.0), counts_so_far(self._task_metrics))
        if self.accumulation == 1:
            return add_part(data, None, *start)
        return self._each_micro_batch(data, add_part, start)

    def _update_weights(self, gradients: list[tf.Tensor]) -> None:
        """Applies the gradients of the variables that learn."""
        self._updates_begun.assign_add(1)
        begun, steps_before = tf.identity(self._updates_begun), tf.identity(self.optimizer.iterations.value)
        with tf.control_dependencies([begun, steps_before]):
            self.optimizer.apply(gradients, self._learning_variables())
        if self._average:
            steps = tf.identity(self.optimizer.iterations.value)
            self._average.update(self._learning, steps, steps > steps_before)

    def _learning_variables(self) -> list[keras.Variable]:
        variables = self.network.trainable_variables
        return [variables[position] for position in self._learning]

    def _gradients(
        self, data: Batch, part: Part | None = None, known: RowLosses | None = None
    ) -> tuple[tf.Tensor, tf.Tensor, list[Gradient]]:
        """These rows' loss, logits, and gradients of the (scaled) loss.

        Args:
            data: the rows.
            part: which they are of the replica's rows; None for all.
            known: what they have of the loss of a whole batch that was computed before.
        """
        inputs, labels, weights = data
        with self._dropout(part), tf.GradientTape() as tape:
            logits = self.network(inputs, training=True)
            if self.task.whole_batch and not known:
                with tape.stop_recording():
                    known = row_losses(self.task.loss, labels, logits, weights)
            loss = known.loss(logits) if known else tf.reduce_sum(self.task.loss(labels, logits) * weights)
            if penalties := self.network.losses:  # of the weights, not of the examples: each part bears its share
                loss += tf.add_n(penalties) * tf.reduce_sum(weights)
            scaled = self.optimizer.scale_loss(loss)
        variables = [variable.value for variable in self._learning_variables()]
        gradients = tape.gradient(scaled, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return loss, logits, gradients

    def _at_once(self, data: Batch) -> tuple[tf.Tensor, Counts, list[Gradient]]:
        """The rows' loss, the metrics' counts with them, and the gradients of the (scaled) loss."""
        loss, logits, gradients = self._gradients(data)
        return loss, self._count(data[1], logits, counts_so_far(self._task_metrics)), gradients

    def _accumulate(self, data: Batch) -> tuple[tf.Tensor, Counts, list[tf.Tensor]]:
        """As `_at_once`, one micro-batch after the other, so that only one's activations and logits are held."""
        whole, counts = None, counts_so_far(self._task_metrics)
        if self.task.whole_batch:  # which asks for all logits before the first gradient
            _, labels, weights = data
            logits = self._logits(data, training=True)
            whole, counts = row_losses(self.task.loss, labels, logits, weights), self._count(labels, logits, counts)

        def add_part(piece: Batch, part: Part, loss: tf.Tensor, counts: Counts, sums: list[tf.Tensor]) -> tuple:
            part_loss, logits, gradients = self._gradients(piece, part, whole and whole.of(part))
            if not whole:
                counts = self._count(piece[1], logits, counts)
            sums = [total + dense(gradient) for total, gradient in zip(sums, gradients, strict=True)]
            return loss + part_loss, counts, sums

        sums = [tf.zeros(variable.shape, variable.dtype) for variable in self._learning_variables()]
        return self._each_micro_batch(data, add_part, (tf.constant(0.0), counts, sums))

    def _logits(self, data: Batch, *, training: bool = False) -> tf.Tensor:
        """The logits of the whole batch; when training, with the dropout that `_gradients` has."""
        if self.accumulation == 1:
            return self.network(data[0], training=training)

        def add_part(piece: Batch, part: Part, count: tf.Tensor, logits: tf.TensorArray) -> tuple:
            with self._dropout(part):
                return count + 1, logits.write(count, self.network(piece[0], training=training))

        shape = [None, *self.network.output_shape[1:]]
        room = tf.TensorArray(tf.float32, self.accumulation, infer_shape=False, element_shape=shape)
        _, logits = self._each_micro_batch(data, add_part, (tf.constant(0), room))
        return logits.concat()

    def _dropout(self, part: Part | None) -> AbstractContextManager[None]:
        """In it, dropout layers drop what these rows drop in this step."""
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return dropout_stream(self.seed_number, self.optimizer.iterations.value, replica, part)

    def _each_micro_batch(self, data: Batch, add_part: Callable[..., tuple], start: tuple) -> tuple:
        """Return the values of `start` after `add_part(piece, part, *values)` took each micro-batch in turn."""
        rows = tf.shape(data[1])[0]

        def body(number: tf.Tensor, *values: Any) -> tuple:
            begin, end = rows * number // self.accumulation, rows * (number + 1) // self.accumulation
            piece = tf.nest.map_structure(lambda tensor: tensor[begin:end], data)
            return number + 1, *add_part(piece, Part(begin, end - begin), *values)

        _, *values = tf.while_loop(
            lambda number, *_: number < self.accumulation, body, (tf.constant(0), *start), parallel_iterations=1
        )
        return tuple(values)

    def _clip(self, gradients: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """The norm of the true, unscaled gradient, and the gradients scaled down to `clip_norm`."""
        scale = self.optimizer.scale_loss(tf.constant(1.0))
        norm = tf.linalg.global_norm(gradients) / scale
        if self.clip_norm is None:
            return norm, gradients
        factor = tf.minimum(1.0, self.clip_norm / tf.maximum(norm, 1e-12))
        return norm, [gradient * factor for gradient in gradients]

    def _count(self, labels: tf.Tensor, logits: tf.Tensor, counts: Counts) -> Counts:
        """The counts of the task's metrics with these rows."""
        if self.task.whole_batch:
            labels, logits = on_first_replica(labels, logits)
        return count_rows(self._task_metrics, counts, self.task.truths(labels), self.task.answers(logits))

    def _update_metrics(self, data: Batch, loss: tf.Tensor, counts: Counts) -> dict[str, tf.Tensor]:
        """Keeps this replica's counts, and the batch's loss; gives that loss and the metrics so far."""
        self._loss.update_state(loss, sample_weight=tf.shape(data[1])[0])
        keep_counts(self._task_metrics, counts)
        return {"loss": loss, **{metric.name: metric.result() for metric in self._task_metrics}}
