"""The model that `fit` trains: a training step that is exact on one device and on many.

Each batch carries its examples' weights, which sum to one over the whole batch. A replica's loss, and a micro-batch's,
is then simply its part of the sum, and so is its gradient: however a batch is cut, the sum is the whole's gradient.
Regularization losses of the network are shared out by the same weights, so that they too count once. Where a row's loss
depends on the others, `sftkeras.objectives.whole_batch` makes it a sum all the same. Clipping and update see that sum.

Nothing of the model changes before the whole gradient is there, so a step that runs out of memory on the way can be
done again. That holds for the metrics too: micro-batches count into tensors, and the logits of no more than one are
held, unless the loss is one of whole batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Protocol

import keras
import tensorflow as tf

from sftkeras.backbones.dense.operations import products_in
from sftkeras.backbones.dropout import RowRange, dropout_stream
from sftkeras.internals.keras import LogsOfOneReplica, NoSymbolicBuild, stop_reducing_gradients
from sftkeras.objectives import Objective, plain_objective
from sftkeras.objectives.consolidation import Consolidation
from sftkeras.objectives.objective import Compared, Rows
from sftkeras.tasks import Task
from sftkeras.tasks.late_gradients import Gradient, late_gradients
from sftkeras.tasks.sliced_gradients import SlicedGradient
from sftkeras.tasks.soft_targets import model_inputs
from sftkeras.training.step.averaging import WeightAverage
from sftkeras.training.step.optimizers import takes_slices
from sftkeras.training.watching.timing import StepClock
from sftkeras.tuning.tuning import ALL_LEARN, Tuning

Counts = list[list[tf.Tensor]]  # of each metric, the values of its variables
StepFunction = Callable[[Any], dict[str, tf.Tensor]]  # takes an iterator over batches, does the step of the next one

# Over the network a core copies about 1 GB/s. In packs of this size the first travel while the last are computed, and
# nothing is copied into one large array: for 23 million weights 0.12 s of a core instead of 0.20 s.
_PACK_BYTES = 4 * 2**20
# An embedding of so many rows sends only those that the batch has: more than the batches of a CPU have.
_MANY_ROWS = 8192


class StepGuard(Protocol):
    """Wraps the steps of `fit`."""

    def __call__(self, step: StepFunction) -> StepFunction:
        """Wraps the function that trains on a batch."""
        ...

    def validating(self, step: StepFunction) -> StepFunction:
        """Wraps the function that validates a batch."""
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
        tuning: which weights learn, and when.
        objective: what is minimised; None is the loss of the task, which is what validation measures in any case.
        learning: what the objective runs in place of `network`: other outputs of the same layers; None is `network`.
        products: precision of matrix products alone, for a network that leaves it open; None leaves it to the layers.
        penalty: added to the loss of a whole batch, of the weights alone; None adds nothing.

    Attributes:
        guard: wraps the functions that train on a batch and validate one; None leaves them as they are.
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
        tuning: Tuning = ALL_LEARN,
        objective: Objective | None = None,
        learning: keras.Model | None = None,
        products: str | None = None,
        penalty: Consolidation | None = None,
    ) -> None:
        super().__init__(name="supervised")
        self.network = network
        self.task = task
        self.validated = plain_objective(task)
        self.objective = objective or self.validated
        self._run = learning or network
        self.seed_number = seed
        self.clip_norm = clip_norm
        self.accumulation = accumulation
        self.tuning = tuning
        self.products = products
        self.penalty = penalty
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
        """Metrics that `fit` resets at each epoch and `evaluate` at its start."""
        return [self._loss, self._gradient_norm, *self._task_metrics]

    @property
    def averages(self) -> list[keras.Variable]:
        """The running averages of the weights, in their order; empty where none are kept."""
        return self._average.averages if self._average else []

    @property
    def updates_begun(self) -> int:
        """Number of steps that have begun to change the weights."""
        return int(self._updates_begun.numpy())

    def validated_weights(self) -> AbstractContextManager[Any]:
        """A context in which the network's weights are those to validate and to keep: their averages, if there are."""
        return self._average.in_place() if self._average else nullcontext()

    def train_only(self, positions: Sequence[int]) -> None:
        """Lets only some of the network's trainable variables learn; other ones cost tracing the step again.

        Those that do not learn keep their moments, are not decayed, and have no gradients.
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
        """Makes the function that `fit` and `evaluate` call to validate a batch."""
        if self.test_function is None or force:
            super().make_test_function(force)
            if self.guard and self.test_function:
                self.test_function = self.guard.validating(self.test_function)

    def call(self, inputs: dict[str, tf.Tensor], training: bool | None = None) -> tf.Tensor:
        """Gives logits."""
        return self.network(inputs, training=training)

    def train_step(self, data: Rows) -> dict[str, tf.Tensor]:
        """Updates the weights by one batch; called on each replica with its part of it."""
        with self._precision():
            return self._train(data)

    def _train(self, data: Rows) -> dict[str, tf.Tensor]:
        arrived, data = self.clock.arrived(data)
        loss, counts, gradients = self._accumulate(data) if self.accumulation > 1 else self._at_once(data)
        own_gradients = gradients
        loss, gradients = sum_over_replicas(loss, gradients, self._learning_variables())
        self.clock.note(arrived, own_gradients, gradients)
        norm, clipped = self._clip(gradients)
        # One operation to wait for: each of those below would else wait for all gradients one by one.
        with tf.control_dependencies([tf.group(norm, *clipped)]):
            self._update_weights(clipped, gradients, norm)
            # A float16 step whose scaled gradient overflowed is skipped by the optimizer, and counts for nothing here.
            finite = tf.math.is_finite(norm)
            self._gradient_norm.update_state(tf.where(finite, norm, 0.0), sample_weight=tf.cast(finite, tf.float32))
            return {**self._update_metrics(data, loss, counts), "gradient_norm": norm}

    def test_step(self, data: Rows) -> dict[str, tf.Tensor]:
        """Validates one batch by the loss alone, without penalties; called on each replica with its part of it."""
        with self.validated_weights(), self._precision():
            loss, counts = self._validate_whole(data) if self.validated.whole_batch else self._validate_parts(data)
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync > 1:
            loss = context.all_reduce(tf.distribute.ReduceOp.SUM, loss)
        return {**self._update_metrics(data, loss, counts), "gradient_norm": self._gradient_norm.result()}

    def _validate_whole(self, data: Rows) -> tuple[tf.Tensor, Counts]:
        """The loss of this replica's rows where it is one of the whole batch, and the metrics' counts with them."""
        ahead = self.validated.look_ahead(self._logits(self.network, data, training=False), data)
        return ahead.total, count_rows(self._task_metrics, counts_so_far(self._task_metrics), ahead.compared)

    def _validate_parts(self, data: Rows) -> tuple[tf.Tensor, Counts]:
        """The loss of this replica's rows, one micro-batch after the other, and the metrics' counts with them."""

        def add_part(piece: Rows, part: RowRange | None, total: tf.Tensor, counts: Counts) -> tuple:
            loss = self.validated.loss(partial(self.network, training=False), piece)
            return total + loss.total, count_rows(self._task_metrics, counts, loss.compared)

        start = (tf.constant(0.0), counts_so_far(self._task_metrics))
        return add_part(data, None, *start) if self.accumulation == 1 else self._each_micro_batch(data, add_part, start)

    def _update_weights(self, clipped: list[tf.Tensor], gradients: list[tf.Tensor], norm: tf.Tensor) -> None:
        """Updates the variables that learn by their clipped gradients; the others are scaled, the norm is not."""
        self._updates_begun.assign_add(1)
        begun, steps_before = tf.identity(self._updates_begun), tf.identity(self.optimizer.iterations.value)
        with tf.control_dependencies([begun, steps_before]):
            scale, finite = self.optimizer.scale_loss(tf.constant(1.0)), tf.math.is_finite(norm)
            self.tuning.before_update(self._learning_variables(), gradients, scale, finite)
            self.optimizer.apply(clipped, self._learning_variables())
            self.tuning.after_update(steps := tf.identity(self.optimizer.iterations.value))
        if self._average:
            self._average.update(self._learning, steps, steps > steps_before)

    def _learning_variables(self) -> list[keras.Variable]:
        variables = self.network.trainable_variables
        return [variables[position] for position in self._learning]

    def _gradients(
        self, rows: Rows, part: RowRange | None = None, ahead: Any = None
    ) -> tuple[tf.Tensor, Compared | None, list[Gradient]]:
        """The loss of some rows, what metrics take of them, and the gradients of the (scaled) loss.

        Args:
            rows: the rows.
            part: which they are of the replica's rows; None for all.
            ahead: what the objective knows of them beforehand.
        """
        variables = self._learning_variables()
        with late_gradients() as late:
            with self._dropout(part), tf.GradientTape() as tape:
                loss = self.objective.loss(partial(self._run, training=True), rows, ahead)
                total = loss.total
                penalties = [*self.network.losses, *([self.penalty()] if self.penalty else [])]
                if penalties:  # of the weights, not of the examples: each part bears its share
                    total += tf.add_n(penalties) * loss.weight
                scaled = self.optimizer.scale_loss(total)
            gradients = tape.gradient(scaled, [variable.value for variable in variables])
        # What parts or replicas add up must be whole.
        alone = part is None and tf.distribute.get_replica_context().num_replicas_in_sync == 1
        return total, loss.compared, late.complete(variables, gradients, lambda it: alone and self._slices(it))

    def _slices(self, variable: keras.Variable) -> bool:
        """Whether a variable is updated by slices of its gradient."""
        return takes_slices(self.optimizer, variable)

    def _at_once(self, data: Rows) -> tuple[tf.Tensor, Counts, list[Gradient]]:
        """The rows' loss, the metrics' counts with them, and the gradients of the (scaled) loss."""
        loss, compared, gradients = self._gradients(data)
        return loss, count_rows(self._task_metrics, counts_so_far(self._task_metrics), compared), gradients

    def _accumulate(self, data: Rows) -> tuple[tf.Tensor, Counts, list[tf.Tensor]]:
        """As `_at_once`, one micro-batch after the other, so that only one's activations and logits are held."""
        ahead, counts = None, counts_so_far(self._task_metrics)
        if self.objective.whole_batch:  # which asks for all logits before the first gradient
            ahead = self.objective.look_ahead(self._logits(self._run, data, training=True), data)
            counts = count_rows(self._task_metrics, counts, ahead.compared)

        def add_part(piece: Rows, part: RowRange, total: tf.Tensor, counts: Counts, sums: list[tf.Tensor]) -> tuple:
            loss, compared, gradients = self._gradients(piece, part, ahead and ahead.of(part))
            sums = [so_far + dense(gradient) for so_far, gradient in zip(sums, gradients, strict=True)]
            return total + loss, count_rows(self._task_metrics, counts, compared), sums

        sums = [tf.zeros(variable.shape, variable.dtype) for variable in self._learning_variables()]
        return self._each_micro_batch(data, add_part, (tf.constant(0.0), counts, sums))

    def _logits(self, network: keras.Model, data: Rows, *, training: bool) -> tf.Tensor:
        """Return the outputs of a network for all rows; when training, with the dropout that `_gradients` has."""
        if self.accumulation == 1:
            return network(model_inputs(data[0]), training=training)

        def add_part(piece: Rows, part: RowRange, count: tf.Tensor, logits: tf.TensorArray) -> tuple:
            with self._dropout(part):
                return count + 1, logits.write(count, network(model_inputs(piece[0]), training=training))

        shape = [None, *network.output_shape[1:]]
        room = tf.TensorArray(tf.float32, self.accumulation, infer_shape=False, element_shape=shape)
        _, logits = self._each_micro_batch(data, add_part, (tf.constant(0), room))
        return logits.concat()

    def _precision(self) -> AbstractContextManager[None]:
        """In it, products are traced as they are to be computed, those of gradients too."""
        return products_in(self.products) if self.products else nullcontext()

    def _dropout(self, part: RowRange | None) -> AbstractContextManager[None]:
        """In it, dropout layers drop what these rows drop in this step."""
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return dropout_stream(self.seed_number, self.optimizer.iterations.value, replica, part)

    def _each_micro_batch(self, data: Rows, add_part: Callable[..., tuple], start: tuple) -> tuple:
        """Return the values of `start` after `add_part(piece, part, *values)` took each micro-batch in turn."""
        rows = tf.shape(data[1])[0]

        def body(number: tf.Tensor, *values: Any) -> tuple:
            begin, end = rows * number // self.accumulation, rows * (number + 1) // self.accumulation
            piece = tf.nest.map_structure(lambda tensor: tensor[begin:end], data)
            return number + 1, *add_part(piece, RowRange(begin, end - begin), *values)

        _, *values = tf.while_loop(
            lambda number, *_: number < self.accumulation, body, (tf.constant(0), *start), parallel_iterations=1
        )
        return tuple(values)

    def _clip(self, gradients: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """The norm of the true, unscaled gradient, and the gradients scaled down to `clip_norm`."""
        scale = self.optimizer.scale_loss(tf.constant(1.0))
        norms = [gradient.norm if isinstance(gradient, SlicedGradient) else gradient for gradient in gradients]
        norm = tf.linalg.global_norm(norms) / scale
        if self.clip_norm is None:
            return norm, gradients
        factor = tf.minimum(1.0, self.clip_norm / tf.maximum(norm, 1e-12))
        return norm, [
            gradient.scaled(factor) if isinstance(gradient, SlicedGradient) else gradient * factor
            for gradient in gradients
        ]

    def _update_metrics(self, data: Rows, loss: tf.Tensor, counts: Counts) -> dict[str, tf.Tensor]:
        """Keeps this replica's counts, and the batch's loss; gives that loss and the metrics so far."""
        self._loss.update_state(loss, sample_weight=self.task.units(data[1]))
        keep_counts(self._task_metrics, counts)
        return {"loss": loss, **{metric.name: metric.result() for metric in self._task_metrics}}


def counts_so_far(metrics: Sequence[keras.metrics.Metric]) -> Counts:
    """Returns what the metrics have counted; on each replica, its own part."""
    return [[tf.identity(variable.value) for variable in metric.variables] for metric in metrics]


def count_rows(metrics: Sequence[keras.metrics.Metric], counts: Counts, rows: Compared | None) -> Counts:
    """Returns `counts` with what metrics take of some rows added; None is nothing."""
    if rows is None:
        return counts
    return [metric.stateless_update_state(so_far, *rows) for metric, so_far in zip(metrics, counts, strict=True)]


def keep_counts(metrics: Sequence[keras.metrics.Metric], counts: Counts) -> None:
    """Makes `counts` what the metrics have counted."""
    for metric, values in zip(metrics, counts, strict=True):
        for variable, value in zip(metric.variables, values, strict=True):
            variable.assign(value)


def sum_over_replicas(
    loss: tf.Tensor, gradients: list[Gradient], variables: list[keras.Variable]
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Called on each replica with its part of the loss and of the variables' gradients; gives each the whole, dense."""
    context = tf.distribute.get_replica_context()
    total = tf.distribute.ReduceOp.SUM
    if context.num_replicas_in_sync == 1:
        return loss, [dense(gradient) for gradient in gradients]
    if not _by_network(context.strategy):
        return context.all_reduce(total, (loss, [dense(gradient) for gradient in gradients]))
    sparse = [_is_sparse(gradient) for gradient in gradients]
    options = tf.distribute.experimental.CommunicationOptions(bytes_per_pack=_PACK_BYTES)
    whole = []
    for gradient, variable, few in zip(gradients, variables, sparse, strict=True):
        if not few:
            whole.append(dense(gradient))
            whole[-1].set_shape(variable.shape)  # what has no shape is not packed
    loss, whole = context.all_reduce(total, (loss, whole), options)
    sums = iter(whole)
    return loss, [
        dense(context.all_reduce(total, gradient)) if few else next(sums)
        for gradient, few in zip(gradients, sparse, strict=True)
    ]


def dense(gradient: Gradient) -> Any:
    """The gradient as one tensor, or in slices; an embedding's comes as repeated rows, whose norm is not its own."""
    return gradient if isinstance(gradient, SlicedGradient) else tf.convert_to_tensor(gradient)


def _by_network(strategy: tf.distribute.Strategy) -> bool:
    """Whether gradients travel over the network by way of the CPU; GPUs have faster ways, which want dense arrays."""
    several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    return several and not tf.config.list_logical_devices("GPU")


def _is_sparse(gradient: Gradient) -> bool:
    return isinstance(gradient, tf.IndexedSlices) and (gradient.shape[0] or 0) >= _MANY_ROWS
