"""AdaLoRA's division of ranks (Zhang et al., 2023, arXiv:2303.10512): the most important triplets keep their values.

How many keep theirs, in all layers together, falls during training. The importance is a function of the weights,
of the gradient of whole batches, and of running averages that are saved with a run's state: so it is the same on any
number of devices, in micro-batches, and after a kill.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from sftkeras.backbones.dense.adaptive_rank import AdaptiveRank

_SMOOTHING = 0.85  # of sensitivity and uncertainty: beta_1 and beta_2 of section 3.2, as the authors' code has them
# Shares of all steps in which nothing is cut yet, and in which nothing is cut any more: about what the hyperparameters
# of the paper's appendix are for GLUE (from 10 and 44% for SST-2 and QQP to 18 and 52% for STS-B and CoLA).
_WARM_UP, _LAST = 0.15, 0.5
_CUTS = 500  # in a run, at most: the paper cuts every 1 to 100 steps


@dataclass(frozen=True)
class Budget:
    """Number of triplets that keep their singular values, by the number of steps done.

    Attributes:
        first: all that there are.
        target: at the end.
        steps: of the whole run.
    """

    first: int
    target: int
    steps: int

    @property
    def begins(self) -> int:
        """The step after which the budget falls."""
        return round(_WARM_UP * self.steps)

    @property
    def ends(self) -> int:
        """The step from which on it stays, and so does what was chosen."""
        return max(self.begins + 1, self.steps - round(_LAST * self.steps))

    @property
    def every(self) -> int:
        """Steps from one cut to the next."""
        return max(1, self.steps // _CUTS)

    def after(self, step: tf.Tensor) -> tf.Tensor:
        """Return the budget after so many steps, a scalar int32: it falls by the third power."""
        done = tf.cast(step - self.begins, tf.float32) / float(self.ends - self.begins)
        left = 1 - tf.clip_by_value(done, 0.0, 1.0)
        return self.target + tf.cast((self.first - self.target) * left**3, tf.int32)

    def cuts(self, step: tf.Tensor) -> tf.Tensor:
        """Return whether triplets are chosen anew after so many steps, a scalar bool."""
        falls = (step >= self.begins) & (step < self.ends) & (step % self.every == 0)
        return falls | tf.equal(step, self.ends)


class RankAllocation:
    """Allots the budget to the triplets of all layers, after each step.

    Args:
        adapters: of all layers; make it in the strategy's scope.
        budget: of their triplets.

    Attributes:
        variables: what it knows of the steps before: averages, and which triplets were chosen last.
    """

    def __init__(self, adapters: Sequence[AdaptiveRank], budget: Budget) -> None:
        self._adapters = list(adapters)
        self._budget = budget
        parameters = [variable for adapter in adapters for variable in adapter.parameters]
        self._sensitivity = {id(variable): _beside(variable, "sensitivity") for variable in parameters}
        self._uncertainty = {id(variable): _beside(variable, "uncertainty") for variable in parameters}
        self._chosen = keras.Variable(tf.ones([budget.first]), trainable=False, autocast=False, name="chosen_triplets")
        self.variables = [*self._sensitivity.values(), *self._uncertainty.values(), self._chosen]

    def observe(
        self, variables: Sequence[keras.Variable], gradients: Sequence[Any], scale: tf.Tensor, counts: tf.Tensor
    ) -> None:
        """Moves the averages, before the weights are updated; called on each replica alike.

        Args:
            variables: that learn.
            gradients: of each, summed over the whole batch.
            scale: by which the gradients are too large.
            counts: scalar bool, false if the step is skipped.
        """
        moved: list[tuple[keras.Variable, tf.Tensor]] = []
        for variable, gradient in zip(variables, gradients, strict=True):
            if id(variable) not in self._sensitivity:
                continue
            sensitivity, uncertainty = self._sensitivity[id(variable)], self._uncertainty[id(variable)]
            now = tf.abs(tf.convert_to_tensor(variable.value) * gradient / scale)
            mean = _moved(sensitivity, now)
            spread = _moved(uncertainty, tf.abs(now - mean))
            moved += [
                (average, tf.where(counts, new, tf.convert_to_tensor(average.value)))
                for average, new in ((sensitivity, mean), (uncertainty, spread))
            ]
        _assign(moved)

    def cut(self, step: tf.Tensor) -> None:
        """Sets the singular values of triplets beyond the budget to zero; called on each replica alike.

        Args:
            step: scalar int32, the steps done.
        """
        cuts, ends = self._budget.cuts(step), self._budget.ends
        scores = tf.concat([self._scores(adapter) for adapter in self._adapters], 0)
        order = tf.argsort(scores, direction="DESCENDING", stable=True)
        places = tf.scatter_nd(order[:, tf.newaxis], tf.range(self._budget.first), [self._budget.first])
        chosen = tf.cast(places < self._budget.after(step), tf.float32)
        chosen = tf.where(cuts, chosen, tf.convert_to_tensor(self._chosen.value))
        kept = tf.where(cuts | (step > ends), chosen, 1.0)
        values = [adapter.parameters[2] for adapter in self._adapters]
        parts = tf.split(kept, [variable.shape[0] for variable in values])
        cut = [(variable, variable.value * part) for variable, part in zip(values, parts, strict=True)]
        _assign([(self._chosen, chosen), *cut])

    def _scores(self, adapter: AdaptiveRank) -> tf.Tensor:
        """The importance of each triplet, [rank]: of its singular value, and of its vectors on average."""
        left, right, values = (
            self._sensitivity[id(variable)].value * self._uncertainty[id(variable)].value
            for variable in adapter.parameters
        )
        return values + tf.reduce_mean(left, 0) + tf.reduce_mean(right, 1)


def _beside(variable: keras.Variable, name: str) -> keras.Variable:
    path = f"{variable.path.replace('/', '_')}_{name}"
    return keras.Variable(tf.zeros(variable.shape), trainable=False, autocast=False, name=path)


def _moved(average: keras.Variable, towards: tf.Tensor) -> tf.Tensor:
    return _SMOOTHING * average.value + (1 - _SMOOTHING) * towards


def _assign(pairs: Sequence[tuple[keras.Variable, tf.Tensor]]) -> None:
    """Gives variables their new values, which are the same on each replica."""

    def everywhere(strategy: tf.distribute.Strategy, *values: Any) -> None:
        for (variable, _), value in zip(pairs, values, strict=True):
            strategy.extended.update(variable.value, _replace, args=(value,), group=False)

    tf.distribute.get_replica_context().merge_call(everywhere, args=tuple(value for _, value in pairs))


def _replace(variable: tf.Variable, value: tf.Tensor) -> None:
    variable.assign(value)
