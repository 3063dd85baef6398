"""The settings of what learns, applied to a network: what training asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras

from sftkeras.backbones import Backbone
from sftkeras.config import TrainConfig
from sftkeras.tuning.layers import depths_of, rate_factors
from sftkeras.tuning.unfreezing import UnfreezeLayers, Unfreezing


@dataclass(frozen=True)
class Tuning:
    """Selection of the network's trainable variables that learn, and how fast.

    Attributes:
        rate_factors: what each one's learning rate is multiplied by; () is 1 for all.
        unfreezing: which learn in which epoch; None lets all learn from the first on.
    """

    rate_factors: tuple[float, ...] = ()
    unfreezing: Unfreezing | None = None

    def learning(self, epoch: int) -> tuple[int, ...] | None:
        """Return the positions of the variables that learn in an epoch, counted from 0; None if all always do."""
        return self.unfreezing.learning(epoch) if self.unfreezing else None

    def callbacks(self, train_only: Callable[[tuple[int, ...]], None]) -> list[keras.callbacks.Callback]:
        """Return what sets, when an epoch begins, which variables learn; `train_only` takes their positions."""
        return [UnfreezeLayers(self.unfreezing, train_only)] if self.unfreezing else []


ALL_LEARN = Tuning()


def freeze(backbone: Backbone, config: TrainConfig) -> None:
    """Freeze the parts of the encoder that are never to learn; before the head is attached or after."""
    if config.training.freeze_embeddings:
        assert backbone.token_embedding is not None  # a module is refused before: see `needs`
        backbone.token_embedding.trainable = False


def plan_tuning(network: keras.Model, backbone: Backbone, config: TrainConfig) -> Tuning:
    """Return what learns of the network, whose frozen parts are frozen already."""
    decay, layers = config.optimizer.layer_decay, config.training.unfreeze
    if not (decay or layers):
        return ALL_LEARN
    depths = depths_of(network, backbone)
    return Tuning(rate_factors(depths, decay) if decay else (), Unfreezing(depths, layers) if layers else None)
