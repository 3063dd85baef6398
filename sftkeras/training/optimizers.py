"""Optimizers: Keras' own, with AdamW's update done by TensorFlow's fused kernel."""

from __future__ import annotations

import keras
import tensorflow as tf

from sftkeras.config import OptimizerConfig
from sftkeras.training.schedules import WarmupSchedule

# Biases and layer norms are not decayed (Devlin et al., 2019, and every BERT recipe since).
_NOT_DECAYED = ["bias", "gamma", "beta"]


@keras.saving.register_keras_serializable("sftkeras")
class FusedAdamW(keras.optimizers.AdamW):
    """`keras.optimizers.AdamW` whose update of a variable is one pass over memory instead of a dozen.

    Same formula, variables and config. Decoupled weight decay: Loshchilov & Hutter, 2019 (arXiv:1711.05101).
    """

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Updates `variable` and its moments in place."""
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(tf.cast(self.beta_1, variable.dtype), step),
            beta2_power=tf.pow(tf.cast(self.beta_2, variable.dtype), step),
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )

    def _apply_weight_decay(self, variables: list[keras.Variable]) -> None:
        if not self.weight_decay:
            return

        def decay(variable: tf.Variable) -> None:
            if self._use_weight_decay(variable):
                rate = tf.cast(self.learning_rate * self.weight_decay, variable.dtype)
                tf.raw_ops.ResourceApplyGradientDescent(
                    var=variable.handle, alpha=rate, delta=variable.read_value()
                )  # variable -= rate * variable

        def decay_everywhere(strategy: tf.distribute.Strategy) -> None:
            for variable in variables:
                strategy.extended.update(variable.value, decay, group=False)

        tf.__internal__.distribute.interim.maybe_merge_call(decay_everywhere, self._distribution_strategy)


def make_optimizer(config: OptimizerConfig, *, total_steps: int, loss_scaling: bool) -> keras.optimizers.Optimizer:
    """Builds the optimizer with its schedule. Clipping is the training step's: it must see the global gradient.

    Args:
        config: how weights are updated.
        total_steps: optimizer steps in the whole run.
        loss_scaling: whether to scale the loss dynamically, as float16 needs.
    """
    rate = WarmupSchedule(config.learning_rate, total_steps, round(config.warmup * total_steps), config.schedule)
    if config.name == "sgd":
        optimizer = keras.optimizers.SGD(rate, momentum=config.momentum)
    else:
        optimizer = FusedAdamW(
            rate,
            weight_decay=config.weight_decay if config.name == "adamw" else 0.0,
            beta_1=config.beta_1,
            beta_2=config.beta_2,
            epsilon=config.epsilon,
        )
        optimizer.exclude_from_weight_decay(var_names=_NOT_DECAYED)
    return keras.optimizers.LossScaleOptimizer(optimizer) if loss_scaling else optimizer
