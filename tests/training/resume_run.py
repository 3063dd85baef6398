"""Trainings on two devices, with dropout, in a process of their own: one whole, and one that is stopped and gone on.

`python tests/training/resume_run.py FOLDER` leaves the weights and the steps' losses of both in FOLDER/whole.npz and
FOLDER/resumed.npz. What goes on is another model, with only the run's folder in common, as in another process.
"""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from sftkeras import runtime

runtime.start_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import small_fit  # noqa: E402
import tensorflow as tf  # noqa: E402
import tiny_run  # noqa: E402

from sftkeras.backbones import Backbone  # noqa: E402
from sftkeras.config import CheckpointConfig, TrainingConfig  # noqa: E402
from sftkeras.runs import RunFolder  # noqa: E402
from sftkeras.tasks import attach_head  # noqa: E402
from sftkeras.training.callbacks import Recorder  # noqa: E402
from sftkeras.training.fit import Fitted, fit  # noqa: E402

CONFIG = replace(
    small_fit.configured(epochs=2, batch_size=5, optimizer={"learning_rate": 1e-3}),
    checkpoint=CheckpointConfig(every_steps=1),
)
LAST_STEP = 6  # of eight: in the second epoch


def with_dropout() -> keras.Model:
    keras.utils.set_random_seed(4)
    encoder = tiny_run.build_encoder(tiny_run.Settings(dropout=0.2, layers=1))
    return attach_head(Backbone(encoder, None, 16, False, "hugging_face", {}), small_fit.TASK, "mean")


def train(
    folder: Path, strategy: tf.distribute.Strategy, run: RunFolder | None = None
) -> tuple[small_fit.Prepared, Fitted]:
    """Trains a new model in FOLDER, or goes on with another one's run."""
    with strategy.scope(), mock.patch.object(small_fit, "network", with_dropout):
        prepared = small_fit.prepare(folder, CONFIG)
    prepared = replace(prepared, run=run or prepared.run)
    return prepared, fit(prepared.model, prepared.train, prepared.validation, prepared.config, prepared.run)


def stopping(recorder: Recorder, *arguments: Any, **named: Any) -> None:
    """What `Recorder.on_train_batch_end` is where the training is to be stopped."""
    _on_train_batch_end(recorder, *arguments, **named)
    if len(recorder.record.losses) == LAST_STEP:
        signal.raise_signal(signal.SIGTERM)


_on_train_batch_end = Recorder.on_train_batch_end


def main(folder: Path) -> None:
    strategy = runtime.make_strategy(TrainingConfig(devices=2, deterministic=True), 5)
    whole = train(folder / "whole", strategy)
    with mock.patch.object(Recorder, "on_train_batch_end", stopping):
        interrupted, stopped = train(folder / "stopped", strategy)
    assert stopped.interrupted
    assert len(stopped.record.losses) == LAST_STEP
    resumed = train(folder / "beside", strategy, interrupted.run)
    for name, (prepared, fitted) in {"whole": whole, "resumed": resumed}.items():
        weights = [weight.numpy() for weight in prepared.model.network.weights]
        np.savez(folder / f"{name}.npz", *weights, losses=np.array(fitted.record.losses))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
