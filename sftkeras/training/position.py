"""Position of a run: epoch and step, whatever Keras counts."""

from __future__ import annotations

from dataclasses import dataclass

import keras


@dataclass
class Position:
    """The step that a run is at; during and after the step, until the next one begins.

    Callbacks read this and not Keras' `batch` argument, which counts from 0 also where a resumed epoch begins in its
    middle.

    Attributes:
        steps: of an epoch.
        epoch: from 0.
        step: in the epoch, from 0.
    """

    steps: int
    epoch: int = 0
    step: int = 0

    @property
    def global_step(self) -> int:
        """The step counted from the run's beginning, from 0."""
        return self.epoch * self.steps + self.step


class FollowPosition(keras.callbacks.Callback):
    """Keeps a `Position` true; the first of all callbacks, so that the others read the truth.

    Args:
        position: the next step to do when `fit` begins; then the step it is at.
    """

    def __init__(self, position: Position) -> None:
        super().__init__()
        self._position = position
        self._first = 0  # the step that Keras counts as step 0 of the epoch

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Goes to the epoch's beginning, or stays in the epoch in whose middle `fit` begins."""
        position = self._position
        self._first = position.step if epoch == position.epoch else 0
        position.epoch, position.step = epoch, min(self._first, position.steps - 1)

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Goes to the step."""
        self._position.step = self._first + batch
