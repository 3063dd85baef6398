"""Faults of Keras 3.15 under `tf.distribute`, each worked around in one function here.

Each names the fault and the test that fails when the fault is gone and the workaround can go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


def stop_reducing_gradients(optimizer: keras.optimizers.Optimizer) -> None:
    """Makes `optimizer.apply` take gradients that are summed over the replicas already.

    Keras 3.15 clips and checks finiteness on one replica's gradient, before it sums them, so an infinity on the second
    replica poisons the weights. Our step sums first; the optimizer must then not sum again.
    Test: tests/training/test_keras_faults.py::test_stock_optimizer_reduces_gradients_itself.
    """
    optimizer._all_reduce_sum_gradients = list
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer.inner_optimizer._all_reduce_sum_gradients = list


class NoSymbolicBuild:
    """Mix-in before `keras.Model` for a model that is built when it is made: `fit` does not build it from a batch.

    Keras 3.15 averages the first batch over the replicas to learn its shapes, which fails when the replicas' parts
    differ in rows. Test: tests/training/test_keras_faults.py::test_stock_fit_fails_on_an_odd_batch.
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
