"""Callbacks of the user's own: what they see, how they end a training, and what they know when it is resumed."""

from __future__ import annotations

import signal
import threading
from typing import Any

import keras
import numpy as np
import pytest

import sftkeras
from sftkeras.training.resume.state_files import StateFiles

Rows = list[dict[str, str]]

pytestmark = pytest.mark.processes

STEPS = 6  # of an epoch: 48 of the 60 rows train, 8 at a time


class EndsTraining(keras.callbacks.Callback):
    """Ends the training after the second epoch, and keeps what it saw of each."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[dict[str, float]] = []
        self.weights: list[list[np.ndarray]] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.seen.append({"epoch": epoch + 1, **(logs or {})})
        self.weights.append(self.model.network.get_weights())
        self.model.stop_training = epoch == 1


class Counts(keras.callbacks.Callback):
    """Counts steps, and at one of them does as ctrl-C does, or fails."""

    def __init__(self, *, ctrl_c_at: int = 0, fails_at: int = 0) -> None:
        super().__init__()
        self.steps, self.began_with = 0, 0
        self.ctrl_c_at, self.fails_at, self.failed = ctrl_c_at, fails_at, threading.Event()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self.steps += 1
        if self.steps == self.ctrl_c_at:
            signal.raise_signal(signal.SIGINT)
        if self.steps == self.fails_at:
            self.failed.set()
            raise KeyboardInterrupt

    def state(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def restore(self, state: dict[str, Any]) -> None:
        self.began_with = self.steps = state["steps"]


def test_a_callback_sees_epochs_and_ends_training(tiny: dict[str, Any], rows: Rows) -> None:
    mine = EndsTraining()
    run = sftkeras.fine_tune(data=rows, callbacks=[mine], **{**tiny, "training": {"epochs": 5, "batch_size": 8}})
    assert [epoch["epoch"] for epoch in run.history] == [1, 2]
    for seen, reported in zip(mine.seen, run.history, strict=True):
        expected = {name: value for name, value in reported.items() if name != "seconds"}
        assert {name: seen[name] for name in expected} == pytest.approx(expected, abs=1e-5)
    assert mine.seen[0].keys() >= {"epoch", "loss", "val_loss", "val_accuracy"}
    best = mine.weights[run.report["model"]["best_epoch"] - 1]
    for exported, kept in zip(run.model.get_weights(), best, strict=True):
        np.testing.assert_array_equal(exported, kept)


def test_an_interrupted_call_resumes_to_the_same_weights(
    finished: sftkeras.Run, tiny: dict[str, Any], rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(sftkeras.Preempted):
        sftkeras.fine_tune(data=rows, callbacks=[Counts(ctrl_c_at=3)], **tiny)
    again = Counts(fails_at=STEPS + 2)  # in the second epoch, while the state after the first is being written
    write = StateFiles.write
    monkeypatch.setattr(StateFiles, "write", lambda *of_state: again.failed.wait(600) and write(*of_state))
    with pytest.raises(KeyboardInterrupt):
        sftkeras.fine_tune(data=rows, callbacks=[again], **tiny)
    last = Counts()
    run = sftkeras.fine_tune(data=rows, callbacks=[last], **tiny)
    assert (again.began_with, last.began_with, last.steps) == (3, STEPS, 2 * STEPS)
    for weight, expected in zip(run.model.get_weights(), finished.model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)
