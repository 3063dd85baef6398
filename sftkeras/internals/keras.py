"""Faults of Keras 3.15 under `tf.distribute`, each worked around in one function, and what it has no public name for.

Each fault names the test that fails when it is gone; that of the names is tests/internals/test_private_names.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import keras
import tensorflow as tf

_RANDOM = (
    keras.initializers.TruncatedNormal,
    keras.initializers.RandomNormal,
    keras.initializers.RandomUniform,
    keras.initializers.VarianceScaling,  # Glorot's and He's too
)


def stop_reducing_gradients(optimizer: keras.optimizers.Optimizer) -> None:
    """Makes `optimizer.apply` take gradients that are summed over the replicas already.

    Keras 3.15 clips and checks finiteness on one replica's gradient, before it sums them, so an infinity on the second
    replica poisons the weights. Our step sums first; the optimizer must then not sum again.
    Test: tests/internals/test_keras_faults.py::test_stock_optimizer_reduces_gradients_itself.
    """
    optimizer._all_reduce_sum_gradients = list
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer.inner_optimizer._all_reduce_sum_gradients = list


class NoSymbolicBuild:
    """Mix-in before `keras.Model` for a model that is built when it is made: `fit` does not build it from a batch.

    Keras 3.15 averages the first batch over the replicas to learn its shapes, which fails when the replicas' parts
    differ in rows. Test: tests/internals/test_keras_faults.py::test_stock_fit_fails_on_an_odd_batch.
    """

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        pass


class LogsOfOneReplica:
    """Mix-in before `keras.Model` for steps whose figures are sums over all replicas already.

    Keras 3.15 averages a step's figures over the workers along their first axis, which single numbers lack, so `fit`
    fails under MultiWorkerMirroredStrategy; and each would be a message to all workers. These are the figures of this
    process's first replica. Test: tests/training/test_workers_equal.py::test_stock_fit_fails.
    """

    distribute_strategy: tf.distribute.Strategy

    def _make_function(self, step_function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        @tf.autograph.experimental.do_not_convert
        def step(iterator: Any) -> Any:
            figures = self.distribute_strategy.run(step_function, args=(iterator.get_next(),))
            return {name: self.distribute_strategy.experimental_local_results(it)[0] for name, it in figures.items()}

        return tf.function(step, reduce_retracing=True)


@contextmanager
def zeros_in_place_of_random() -> Iterator[None]:
    """Makes initializers give zeros inside the block in place of random numbers, for weights that are read afterwards.

    Random numbers for 23 million weights take 0.7 s of a core, and KerasHub's models have no setting to leave them out.
    Test: tests/internals/test_private_names.py::test_keras_hub_draws_the_first_weights_of_a_model.
    """
    drawing = {kind: kind.__call__ for kind in _RANDOM}
    for kind in _RANDOM:
        kind.__call__ = lambda _, shape, dtype=None: tf.zeros(shape, dtype)
    try:
        yield
    finally:
        for kind, call in drawing.items():
            kind.__call__ = call


def all_layers(layer: keras.layers.Layer, *, itself: bool = True) -> list[keras.layers.Layer]:
    """Every layer inside of a layer or model, at any depth; `layers` of a model gives the outermost alone."""
    return list(layer._flatten_layers(include_self=itself))


@contextmanager
def changeable(layer: keras.layers.Layer) -> Iterator[None]:
    """Let a built layer be given variables and layers inside the block."""
    layer._tracker.unlock()
    try:
        yield
    finally:
        layer._tracker.lock()


def beginning_with(array: Any | None) -> Any:
    """Return the initializer of a variable that begins with an array of its shape; with zeros for None."""
    return "zeros" if array is None else lambda shape, dtype=None: tf.constant(array, dtype)


def forget_part(layer: keras.layers.Layer, part: keras.layers.Layer) -> None:
    """Make a layer forget that another one is a part of it, whatever attribute it was."""
    layer._tracker.untrack(part)


def replace_table(embedding: keras.layers.Embedding, table: Any) -> None:
    """Give a built embedding a table of another height; a built layer lets no variable be added."""
    with embedding._open_name_scope(), changeable(embedding):
        del embedding._embeddings  # Keras forgets the variable
        embedding.input_dim = len(table)
        embedding._embeddings = embedding.add_weight(
            shape=table.shape, initializer=beginning_with(table), name="embeddings"
        )


def replace_weight(layer: Any, attribute: str, value: Any) -> None:
    """Give a built layer a weight of another shape in the place of one of its own, such as `bias` or `_kernel`."""
    old = getattr(layer, attribute)
    place = next(at for at, weight in enumerate(layer._trainable_variables) if weight is old)
    layer._untrack_variable(old)  # `del` would also search all memory for garbage
    with layer._open_name_scope(), changeable(layer):
        new = layer.add_weight(shape=value.shape, initializer=beginning_with(value), name=old.name)
        layer._trainable_variables.insert(place, layer._trainable_variables.pop())
        setattr(layer, attribute, new)


def drop_kernel(layer: Any) -> None:
    """Take the kernel away from a built dense layer, which is then to be given another; see `give_kernel`."""
    with changeable(layer):
        del layer._kernel  # Keras forgets the variable


def give_kernel(layer: Any, kernel: Any) -> None:
    """Give a built dense layer that has none a kernel, the first of its variables as it was built."""
    with layer._open_name_scope(), changeable(layer):
        layer._kernel = layer.add_weight(shape=kernel.shape, initializer=beginning_with(kernel), name="kernel")
        layer._trainable_variables.insert(0, layer._trainable_variables.pop())


def made_by(tensor: keras.KerasTensor) -> tuple[keras.Operation, list[keras.KerasTensor]]:
    """Return the operation that made a symbolic tensor, and what it made it of."""
    made = tensor._keras_history
    return made.operation, made.operation._inbound_nodes[made.node_index].input_tensors


def should_rise(metric: keras.metrics.Metric) -> bool:
    """Whether a metric says of itself that it should rise."""
    return metric._direction == "up"


def with_direction(metric: keras.metrics.Metric, direction: Literal["up", "down"]) -> keras.metrics.Metric:
    """Make a metric say whether it should rise or fall, which the wrapper of a function does not know."""
    metric._direction = direction
    return metric


def build_metric(metric: keras.metrics.Metric, shape: Sequence[int | None]) -> None:
    """Make the variables of a metric whose truths and answers have this shape: under a strategy it cannot while traced.

    Keras makes them at the first update.
    """
    metric._build(tuple(shape), tuple(shape))


def index_of(optimizer: keras.optimizers.Optimizer, variable: tf.Variable) -> int:
    """The place of a variable among those that an optimizer was built with."""
    return int(optimizer._get_variable_index(variable))
