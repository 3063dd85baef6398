"""Keras' `fit` from any step of any epoch on."""

from __future__ import annotations

from typing import Any

import keras

from sftkeras.training.batches import Batches
from sftkeras.training.position import Position
from sftkeras.training.step.model import SupervisedModel


def train_from(
    position: Position,
    model: SupervisedModel,
    train: Batches,
    validation: Batches,
    epochs: int,
    callbacks: list[keras.callbacks.Callback],
) -> None:
    """Trains from `position` to the last epoch's end, or to an early stop.

    Keras knows whole epochs alone. So the rest of a begun epoch is a call of `fit` by itself, and one of which only the
    validation is left is none.
    """
    strategy = model.distribute_strategy
    validation_batches = validation.distributed(range(1), strategy)
    throughout = _Throughout(callbacks, add_history=True, model=model, epochs=epochs, steps=train.steps)

    def fit_epochs(which: range, first_step: int = 0) -> None:
        model.fit(
            train.distributed(which, strategy, first_step),
            initial_epoch=which.start,
            epochs=which.stop,
            steps_per_epoch=train.steps - first_step,
            validation_data=validation_batches,
            validation_steps=validation.steps,
            shuffle=False,  # the plan has shuffled already
            callbacks=throughout,
            verbose=0,
        )

    model.stop_training = False
    throughout.begin()
    first = position.epoch
    if position.step == position.steps:
        _end_epoch(model, first, validation_batches, validation.steps, throughout)
        first += 1
    elif position.step:
        fit_epochs(range(first, first + 1), position.step)
        first += 1
    if first < epochs and not model.stop_training:
        fit_epochs(range(first, epochs))
    throughout.end()


def _end_epoch(
    model: SupervisedModel, epoch: int, validation_batches: Any, steps: int, callbacks: keras.callbacks.CallbackList
) -> None:
    """Does what `fit` does after an epoch's steps, for a run that was stopped there."""
    callbacks.on_epoch_begin(epoch)
    logs = model.get_metrics_result()
    scores = model.evaluate(validation_batches, steps=steps, callbacks=callbacks, return_dict=True, verbose=0)
    callbacks.on_epoch_end(epoch, {**logs, **{f"val_{name}": score for name, score in scores.items()}})


class _Throughout(keras.callbacks.CallbackList):
    """Callbacks that see one training begin and end, in however many calls of `fit`."""

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Not the training's beginning, but that of one call."""

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Not the training's end, but that of one call."""

    def begin(self) -> None:
        """Starts the training of all of them."""
        super().on_train_begin()

    def end(self) -> None:
        """Ends the training of all of them."""
        super().on_train_end()
