"""Optimizers and their schedule: Keras' own, with a fused AdamW, a learning rate for each layer, and a warm-up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import keras
import tensorflow as tf

from sftkeras.config import OptimizerConfig
from sftkeras.internals.keras import index_of
from sftkeras.tasks.sliced_gradients import SlicedGradient
from sftkeras.training.step.sliced_updates import is_large, is_large_table, update_slices

# Biases and layer norms are not decayed (Devlin et al., 2019, and every BERT recipe since).
_NOT_DECAYED = ["bias", "gamma", "beta"]

Shape = Literal["linear", "cosine", "constant"]


@keras.saving.register_keras_serializable("sftkeras")
class WarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A linear warm-up, then a linear or cosine fall to zero, or none.

    It rises linearly to `peak` over `warmup_steps`, then falls to zero at `total_steps`.

    Args:
        peak: the highest learning rate.
        total_steps: optimizer steps in the whole run.
        warmup_steps: optimizer steps of the rise.
        shape: "linear" and "cosine" (Loshchilov & Hutter, 2017, arXiv:1608.03983) fall to zero, "constant" stays.
    """

    def __init__(self, peak: float, total_steps: int, warmup_steps: int, shape: Shape) -> None:
        self.peak = peak
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.shape = shape

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """The learning rate of optimizer step `step`, counted from 0, as float32."""
        step = tf.cast(step, tf.float32)
        # The first step moves too: step 0 of n warm-up steps has 1/n of the peak.
        rise = (step + 1) / max(1, self.warmup_steps)
        done = tf.clip_by_value((step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps), 0.0, 1.0)
        fall = {
            "linear": 1 - done,
            "cosine": 0.5 * (1 + tf.cos(math.pi * done)),
            "constant": tf.ones_like(done),
        }[self.shape]
        return self.peak * tf.where(step < self.warmup_steps, rise, fall)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {
            "peak": self.peak,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "shape": self.shape,
        }


class AdamStep(NamedTuple):
    """Values of a step that all variables are updated with, float32 scalars; powers are vectors with `own_steps`.

    Attributes:
        learning_rate: before a variable's own factor.
        decay: share of a weight that is taken from it, before a variable's own factor.
        beta_1: decay rate of the first moment.
        beta_2: decay rate of the second moment.
        beta_1_power: `beta_1` to the power of the step's number, counted from 1.
        beta_2_power: the same of `beta_2`.
        epsilon: added to the root of the second moment.
    """

    learning_rate: tf.Tensor
    decay: tf.Tensor
    beta_1: tf.Tensor
    beta_2: tf.Tensor
    beta_1_power: tf.Tensor
    beta_2_power: tf.Tensor
    epsilon: tf.Tensor


@keras.saving.register_keras_serializable("sftkeras")
class FusedAdamW(keras.optimizers.AdamW):
    """`keras.optimizers.AdamW` whose update of a variable is one pass over memory instead of a dozen.

    Same formula, variables and config. Decoupled weight decay: Loshchilov & Hutter, 2019 (arXiv:1711.05101).

    Args:
        rate_factors: what each variable's learning rate is multiplied by, in the order of `build`; () is 1 for all.
            Its weight decay is multiplied too, since it is a share of the learning rate.
        own_steps: count the steps of each variable, where not all learn from the first on. Adam's first steps are
            corrected for moments that begin at zero; by the run's count, those of a variable that begins to learn
            later would come out up to three times too large.
    """

    def __init__(self, *args: Any, rate_factors: Sequence[float] = (), own_steps: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rate_factors = tuple(rate_factors)
        self.own_steps = own_steps

    def build(self, variables: list[keras.Variable]) -> None:
        """Makes the moments, and the counters of `own_steps`."""
        if self.built:
            return
        super().build(variables)
        if self.own_steps:
            self._steps = self.add_variable(
                (len(variables),), dtype="int64", aggregation="only_first_replica", name="steps"
            )

    def apply(self, grads: list[tf.Tensor], trainable_variables: list[keras.Variable] | None = None) -> None:
        """Updates these variables alone; moments, weight decay and steps of the others stay."""
        super().apply(grads, trainable_variables)
        if self.own_steps:
            updated = trainable_variables or self._trainable_variables
            positions = [index_of(self, variable) for variable in updated]
            updated = tf.reduce_sum(tf.one_hot(positions, self._steps.shape[0], dtype=tf.int64), 0)
            self._steps.assign_add(updated)

    def update_step(self, gradient: tf.Tensor | SlicedGradient, variable: tf.Variable, step: AdamStep) -> None:
        """Decays `variable` and updates it and its moments, in place; by a gradient in slices, a slice at a time."""
        index = index_of(self, variable)
        updated = (variable.handle, self._momentums[index].value.handle, self._velocities[index].value.handle)
        factor = self.rate_factors[index] if self.rate_factors else 1.0
        step = step._replace(learning_rate=_times(step.learning_rate, factor), decay=_times(step.decay, factor))
        if self.own_steps:
            step = step._replace(beta_1_power=step.beta_1_power[index], beta_2_power=step.beta_2_power[index])
        decays = bool(self.weight_decay) and self._use_weight_decay(variable)
        if isinstance(gradient, SlicedGradient):
            update_slices(updated, variable.shape, gradient, partial(_update, step, decays=decays))
        else:
            _update(step, gradient, *updated, decays=decays, decays_last=is_large(variable.shape))

    def _backend_update_step(
        self, grads: list[tf.Tensor], trainable_variables: list[keras.Variable], learning_rate: tf.Tensor
    ) -> None:
        # What all variables share is computed once: traced again for each of them, it took a quarter of the tracing.
        number = tf.cast((self._steps.value if self.own_steps else self.iterations.value) + 1, tf.float32)
        beta_1, beta_2 = tf.constant(self.beta_1), tf.constant(self.beta_2)
        step = AdamStep(
            learning_rate=learning_rate,
            decay=learning_rate * (self.weight_decay or 0.0),
            beta_1=beta_1,
            beta_2=beta_2,
            beta_1_power=tf.pow(beta_1, number),
            beta_2_power=tf.pow(beta_2, number),
            epsilon=tf.constant(self.epsilon),
        )
        super()._backend_update_step(grads, trainable_variables, step)

    def _apply_weight_decay(self, variables: list[keras.Variable]) -> None:
        """Does nothing: `update_step` decays."""

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {**super().get_config(), "rate_factors": list(self.rate_factors), "own_steps": self.own_steps}


@keras.saving.register_keras_serializable("sftkeras")
class LayeredSGD(keras.optimizers.SGD):
    """`keras.optimizers.SGD` with a learning rate for each variable.

    Args:
        rate_factors: as for `FusedAdamW`.
    """

    def __init__(self, *args: Any, rate_factors: Sequence[float], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rate_factors = tuple(rate_factors)

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Updates `variable` and its momentum in place."""
        factor = self.rate_factors[index_of(self, variable)]
        super().update_step(gradient, variable, _times(learning_rate, factor))

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {**super().get_config(), "rate_factors": list(self.rate_factors)}


def _update(
    step: AdamStep,
    gradient: tf.Tensor,
    weights: tf.Tensor,
    momentum: tf.Tensor,
    velocity: tf.Tensor,
    *,
    decays: bool,
    decays_last: bool = False,
) -> None:
    """Decays the variable of a handle, and updates it and its moments, in place.

    TensorFlow copies what decays. Of a large table that would be the most memory of a step, so there the decay comes
    last, when the gradient is no longer held: with decay d and rate r, (w - r / (1 - d) * u) * (1 - d) is the same
    w * (1 - d) - r * u.
    """
    if decays and not decays_last:
        _decay(weights, step.decay)
    tf.raw_ops.ResourceApplyAdam(
        var=weights,
        m=momentum,
        v=velocity,
        beta1_power=step.beta_1_power,
        beta2_power=step.beta_2_power,
        lr=step.learning_rate / (1 - step.decay) if decays and decays_last else step.learning_rate,
        beta1=step.beta_1,
        beta2=step.beta_2,
        epsilon=step.epsilon,
        grad=gradient,
    )
    if decays and decays_last:
        _decay(weights, step.decay)


def _decay(weights: tf.Tensor, share: tf.Tensor) -> None:
    """Takes a share of the variable of a handle from it."""
    value = tf.raw_ops.ReadVariableOp(resource=weights, dtype=tf.float32)
    tf.raw_ops.ResourceApplyGradientDescent(var=weights, alpha=share, delta=value)


def _times(rate: tf.Tensor, factor: float) -> tf.Tensor:
    return rate if factor == 1 else rate * factor


def takes_slices(optimizer: keras.optimizers.Optimizer, variable: keras.Variable) -> bool:
    """Return whether an optimizer takes a variable's gradient in slices, and this saves memory worth the time."""
    return isinstance(optimizer, FusedAdamW) and is_large_table(variable)


def make_optimizer(
    config: OptimizerConfig,
    *,
    total_steps: int,
    loss_scaling: bool,
    rate_factors: Sequence[float] = (),
    own_steps: bool = False,
) -> keras.optimizers.Optimizer:
    """Builds the optimizer with its schedule. Clipping is the training step's: it must see the global gradient.

    Args:
        config: how weights are updated.
        total_steps: optimizer steps in the whole run.
        loss_scaling: whether to scale the loss dynamically, as float16 needs.
        rate_factors: what each variable's learning rate is multiplied by; () is 1 for all.
        own_steps: whether some variables begin to learn later than others.
    """
    rate = WarmupSchedule(config.peak, total_steps, round(config.warmup * total_steps), config.schedule)
    if config.name == "sgd":
        if rate_factors:
            optimizer = LayeredSGD(rate, momentum=config.momentum, rate_factors=rate_factors)
        else:
            optimizer = keras.optimizers.SGD(rate, momentum=config.momentum)
    else:
        optimizer = FusedAdamW(
            rate,
            weight_decay=config.weight_decay if config.name == "adamw" else 0.0,
            beta_1=config.beta_1,
            beta_2=config.beta_2,
            epsilon=config.epsilon,
            rate_factors=rate_factors,
            own_steps=own_steps,
        )
        optimizer.exclude_from_weight_decay(var_names=_NOT_DECAYED)
    return keras.optimizers.LossScaleOptimizer(optimizer) if loss_scaling else optimizer
