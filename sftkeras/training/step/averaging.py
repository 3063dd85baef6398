"""A running average of the weights, which is validated, kept and exported in their place.

Keras' own (`use_ema`) overwrites the weights with their average and fails under strategies. Here the average is read
where it is set, and the weights that training continues with are never touched.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from sftkeras.training.step.sliced_updates import is_large_table, move_slices


class WeightAverage:
    """The exponential moving average of weights (Polyak & Juditsky, 1992).

    It begins as the weights are. The decay rises to its full value as `tf.train.ExponentialMovingAverage` has it with
    `num_updates`, lest a short run end near the weights it began with.

    Args:
        variables: whose average is kept; make it in the strategy's scope.
        decay: share of the average that stays in a step, once many steps are done.

    Attributes:
        averages: one variable for each, float32.
    """

    def __init__(self, variables: Sequence[keras.Variable], decay: float) -> None:
        self._variables = list(variables)
        self._decay = decay
        self.averages = [
            keras.Variable(
                variable.numpy(), trainable=False, autocast=False, name=f"{variable.path.replace('/', '_')}_average"
            )
            for variable in self._variables
        ]

    def update(self, positions: Sequence[int], step: tf.Tensor, counts: tf.Tensor) -> None:
        """Moves the averages of some variables towards them, on each replica alike.

        Args:
            positions: of the variables that have changed.
            step: scalar integer, the optimizer steps done, this one included.
            counts: scalar bool, false if the step was skipped.
        """
        done = tf.cast(step, tf.float32)
        decay = tf.minimum(self._decay, (1 + done) / (10 + done))
        rate = tf.where(counts, 1 - decay, 0.0)

        def move(average: tf.Variable, variable: tf.Variable, rate: tf.Tensor) -> None:
            if is_large_table(variable):
                move_slices(average.handle, variable.handle, variable.shape, rate)
                return
            tf.raw_ops.ResourceApplyGradientDescent(
                var=average.handle, alpha=rate, delta=average.read_value() - variable.read_value()
            )  # average -= rate * (average - variable)

        def move_everywhere(strategy: tf.distribute.Strategy, rate: tf.Tensor) -> None:
            for position in positions:
                average, variable = self.averages[position].value, self._variables[position].value
                strategy.extended.update(average, move, args=(variable, rate), group=False)

        # The replicas' rates are equal; merged, the update of each device takes its own.
        tf.distribute.get_replica_context().merge_call(move_everywhere, args=(rate,))

    def in_place(self) -> keras.StatelessScope:
        """A scope in which the network computes with, and saves, the averages in place of its weights."""
        return keras.StatelessScope(list(zip(self._variables, self.averages, strict=True)))
