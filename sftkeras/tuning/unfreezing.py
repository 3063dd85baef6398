"""Gradual unfreezing: the head learns first, then more and more layers, from the top (Howard & Ruder, 2018).

Which weights learn is a function of the epoch alone, so a resumed run continues as it would have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras


@dataclass(frozen=True)
class Unfreezing:
    """Gradual unfreezing: the weights that learn in each epoch (ULMFiT, arXiv:1801.06146).

    Attributes:
        depths: of each trainable variable, from 0, as `sftkeras.tuning.layers.depths_of` gives them.
        layers: how many more learn each epoch.
    """

    depths: tuple[int, ...]
    layers: int

    def learning(self, epoch: int) -> tuple[int, ...]:
        """The positions of the variables that learn in an epoch, counted from 0: in the first, the head's."""
        lowest = max(self.depths) - self.layers * epoch
        return tuple(position for position, depth in enumerate(self.depths) if depth >= lowest)


class UnfreezeLayers(keras.callbacks.Callback):
    """Sets which weights learn when an epoch begins.

    Args:
        unfreezing: says which.
        train_only: sets it; see `SupervisedModel.train_only`.
    """

    def __init__(self, unfreezing: Unfreezing, train_only: Callable[[tuple[int, ...]], None]) -> None:
        super().__init__()
        self._unfreezing = unfreezing
        self._train_only = train_only

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Sets those of the epoch."""
        self._train_only(self._unfreezing.learning(epoch))
