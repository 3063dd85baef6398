"""The settings of what learns, applied to a network: what training asks for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from sftkeras.backbones import Backbone
from sftkeras.backbones.bottlenecks import bottlenecks_of
from sftkeras.backbones.dense.adaptive_rank import AdaptiveRank
from sftkeras.backbones.dense.held_kernels import count_parameters
from sftkeras.config import TrainConfig
from sftkeras.plurals import counted
from sftkeras.tuning.adapters import adapters_of
from sftkeras.tuning.layers import depths_of, rate_factors
from sftkeras.tuning.methods import variables_of
from sftkeras.tuning.rank_allocation import Budget, RankAllocation
from sftkeras.tuning.unfreezing import UnfreezeLayers, Unfreezing


@dataclass(frozen=True)
class Tuning:
    """Selection of the network's trainable variables that learn, and how fast.

    Attributes:
        rate_factors: what each one's learning rate is multiplied by; () is 1 for all.
        unfreezing: which learn in which epoch; None lets all learn from the first on.
        allocation: divides ranks among the layers after each step, where a method does so.
        frozen: variables of the backbone that stay as they were loaded, so that no state needs them.
        note: what learns, and how fast, where not all does; a sentence for the user.
    """

    rate_factors: tuple[float, ...] = ()
    unfreezing: Unfreezing | None = None
    allocation: RankAllocation | None = None
    frozen: tuple[keras.Variable, ...] = ()
    note: str = ""

    @property
    def variables(self) -> list[keras.Variable]:
        """Its knowledge of the steps before, in variables beside those of the network."""
        return self.allocation.variables if self.allocation else []

    def before_update(
        self, variables: Sequence[keras.Variable], gradients: Sequence[Any], scale: tf.Tensor, counts: tf.Tensor
    ) -> None:
        """Takes the gradients of variables that learn, in a step, before they change; see `RankAllocation.observe`."""
        if self.allocation:
            self.allocation.observe(variables, gradients, scale, counts)

    def after_update(self, steps: tf.Tensor) -> None:
        """Changes, in a step, what the method changes beside the optimizer, once so many steps are done."""
        if self.allocation:
            self.allocation.cut(tf.cast(steps, tf.int32))

    def learning(self, epoch: int) -> tuple[int, ...] | None:
        """Return the positions of the variables that learn in an epoch, counted from 0; None if all always do."""
        return self.unfreezing.learning(epoch) if self.unfreezing else None

    def callbacks(self, train_only: Callable[[tuple[int, ...]], None]) -> list[keras.callbacks.Callback]:
        """Return what sets, when an epoch begins, which variables learn; `train_only` takes their positions."""
        return [UnfreezeLayers(self.unfreezing, train_only)] if self.unfreezing else []


ALL_LEARN = Tuning()


def plan_tuning(network: keras.Model, backbone: Backbone, config: TrainConfig, total_steps: int) -> Tuning:
    """Return what learns of the network in a run of so many steps.

    Call it after `choose_what_learns`, in the strategy's scope.
    """
    decay, layers = config.tuning.layer_decay, config.tuning.unfreeze
    frozen: tuple[keras.Variable, ...] = ()
    if config.tuning.freezes:
        frozen = tuple(variable for variable in variables_of(backbone) if not variable.trainable)
    depths = depths_of(network, backbone) if decay or layers else ()
    return Tuning(
        rate_factors(depths, decay) if decay else (),
        Unfreezing(depths, layers) if layers else None,
        allocate_ranks(backbone, config, total_steps) if config.tuning.method == "adalora" else None,
        frozen,
        _note(network, backbone, config) if frozen else "",
    )


def allocate_ranks(backbone: Backbone, config: TrainConfig, total_steps: int) -> RankAllocation:
    """Return what divides ranks among the adapters of AdaLoRA in a backbone, in the strategy's scope."""
    adapters = [adapter for adapter in adapters_of(backbone).values() if isinstance(adapter, AdaptiveRank)]
    first = sum(adapter.settings.rank for adapter in adapters)
    return RankAllocation(adapters, Budget(first, config.tuning.rank * len(adapters), total_steps))


def learned_parameters(network: keras.Model) -> int:
    """Return how many of a network's parameters learn."""
    return sum(math.prod(variable.shape) for variable in network.trainable_variables)


def _note(network: keras.Model, backbone: Backbone, config: TrainConfig) -> str:
    learned, whole = learned_parameters(network), count_parameters(network)
    method, adapters, bottlenecks = config.tuning.method, len(adapters_of(backbone)), len(bottlenecks_of(backbone))
    where = f" beside {counted(adapters, 'linear layer')}" if adapters else ""
    where = f" with {counted(bottlenecks, 'bottleneck adapter')}" if method == "adapters" else where
    return (
        f"--tuning.method {method}: {learned:,} of these parameters learn ({learned / whole:.2%}){where}, at a "
        f"learning rate of {config.optimizer.peak:g} at most."
    )
