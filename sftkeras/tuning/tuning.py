"""The settings of what learns, applied to a network: what training asks for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import keras

from sftkeras.backbones import Backbone
from sftkeras.backbones.bottlenecks import bottlenecks_of
from sftkeras.backbones.dense.held_kernels import count_parameters
from sftkeras.config import TrainConfig
from sftkeras.plurals import counted
from sftkeras.tuning.adapters import adapters_of
from sftkeras.tuning.layers import depths_of, rate_factors
from sftkeras.tuning.methods import variables_of
from sftkeras.tuning.unfreezing import UnfreezeLayers, Unfreezing


@dataclass(frozen=True)
class Tuning:
    """Selection of the network's trainable variables that learn, and how fast.

    Attributes:
        rate_factors: what each one's learning rate is multiplied by; () is 1 for all.
        unfreezing: which learn in which epoch; None lets all learn from the first on.
        frozen: variables of the backbone that stay as they were loaded, so that no state needs them.
        note: what learns, and how fast, where not all does; a sentence for the user.
    """

    rate_factors: tuple[float, ...] = ()
    unfreezing: Unfreezing | None = None
    frozen: tuple[keras.Variable, ...] = ()
    note: str = ""

    def learning(self, epoch: int) -> tuple[int, ...] | None:
        """Return the positions of the variables that learn in an epoch, counted from 0; None if all always do."""
        return self.unfreezing.learning(epoch) if self.unfreezing else None

    def callbacks(self, train_only: Callable[[tuple[int, ...]], None]) -> list[keras.callbacks.Callback]:
        """Return what sets, when an epoch begins, which variables learn; `train_only` takes their positions."""
        return [UnfreezeLayers(self.unfreezing, train_only)] if self.unfreezing else []


ALL_LEARN = Tuning()


def plan_tuning(network: keras.Model, backbone: Backbone, config: TrainConfig) -> Tuning:
    """Return what learns of the network, after `choose_what_learns`."""
    decay, layers = config.tuning.layer_decay, config.tuning.unfreeze
    frozen: tuple[keras.Variable, ...] = ()
    if config.tuning.freezes:
        frozen = tuple(variable for variable in variables_of(backbone) if not variable.trainable)
    depths = depths_of(network, backbone) if decay or layers else ()
    return Tuning(
        rate_factors(depths, decay) if decay else (),
        Unfreezing(depths, layers) if layers else None,
        frozen,
        _note(network, backbone, config) if frozen else "",
    )


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
