"""Weights & Biases and MLflow, each through its own Keras callback. They are imported only when asked for, and one that
fails is reported once and not used any more: no run ends because of a tracker."""

from __future__ import annotations

import json
import logging
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from textwrap import shorten

import keras

from sftkeras.config import TrainConfig, plain
from sftkeras.console import say
from sftkeras.disk.files import write_text
from sftkeras.errors import SFTError
from sftkeras.runs import RunFolder
from sftkeras.training.callbacks import Logs
from sftkeras.training.position import Position
from sftkeras.training.watching.timing import StepTimer

EVERY_STEPS = 10  # a step is logged
PATIENCE = 15  # seconds in which a server must answer, at the start and at the end
_LONGEST_PROBLEM = 200  # characters
PROJECT = "sftkeras"  # where the tracker's own settings name none


@dataclass(frozen=True)
class Tracker:
    """A tracker that has taken up the run.

    Attributes:
        run_id: by which a resumed run finds it again.
        callbacks: its own Keras callbacks.
        tell_step: gives them the figures of a step, counted from 0 over the whole run.
        tell_epoch: gives them those of an epoch.
        end: ends the tracker's run; takes whether training is finished.
    """

    run_id: str
    callbacks: list[keras.callbacks.Callback]
    tell_step: Callable[[int, Logs], None]
    tell_epoch: Callable[[int, Logs], None]
    end: Callable[[bool], None]


class Tracking(keras.callbacks.Callback):
    """Hands what happens in `fit` on to one tracker, until that fails.

    Args:
        name: as in `training.trackers`.
        config: the run's settings, which the tracker shows.
        run: keeps the tracker's name for it, so that a resumed run continues there.
        position: where the run is.
        timer: divides each step's time.
    """

    def __init__(self, name: str, config: TrainConfig, run: RunFolder, position: Position, timer: StepTimer) -> None:
        super().__init__()
        self._name = name
        self._config = config
        self._run = run
        self._position = position
        self._timer = timer
        self._tracker: Tracker | None = None
        self._failed = False

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Takes the run up at the tracker, once."""
        if self._tracker is None and not self._failed:
            with self._surviving():
                self._tracker = self._begin()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Hands on a step now and then, with where its time went."""
        step = self._position.global_step
        if self._tracker and step % EVERY_STEPS == 0:
            times = {f"time/{part}": seconds for part, seconds in self._timer.step.items()}
            with self._surviving():
                self._tracker.tell_step(step, {**(logs or {}), **times})

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Hands on the epoch's figures."""
        if self._tracker:
            with self._surviving():
                self._tracker.tell_epoch(epoch, logs or {})

    def close(self, *, finished: bool) -> None:
        """Ends the tracker's run, also when `fit` is interrupted."""
        if self._tracker:
            with self._surviving():
                self._tracker.end(finished)
            self._tracker = None

    def _begin(self) -> Tracker:
        known = _known_runs(self._run)
        tracker = _STARTS[self._name](self._config, known.get(self._name))
        write_text(self._run.trackers_file, json.dumps({**known, self._name: tracker.run_id}) + "\n")
        for callback in tracker.callbacks:
            callback.set_params(self.params)
            callback.set_model(self.model)
            callback.on_train_begin()
        return tracker

    @contextmanager
    def _surviving(self) -> Iterator[None]:
        """Whatever the tracker raises inside the block, training continues without it."""
        try:
            yield
        except Exception as error:  # trackers raise errors of their own, of their server and of their libraries
            self._tracker, self._failed = None, True
            problem = shorten(str(error), _LONGEST_PROBLEM, placeholder=" …").rstrip(".") or type(error).__name__
            say(str(SFTError("SFT450", tracker=_TITLES[self._name], problem=problem)))


def _known_runs(run: RunFolder) -> dict[str, str]:
    """The trackers' names for this run, by tracker."""
    try:
        return json.loads(run.trackers_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _start_wandb(config: TrainConfig, run_id: str | None) -> Tracker:
    """A run of Weights & Biases; online, or as `WANDB_MODE` says."""
    import wandb
    from wandb.integration.keras import WandbMetricsLogger

    if os.environ.get("WANDB_MODE", "online") == "online" and not wandb.login(prompt=False):
        raise wandb.Error("no key. Log in with `wandb login`, or set WANDB_MODE=offline")
    run_id = run_id or uuid.uuid4().hex[:12]
    settings = wandb.Settings(init_timeout=PATIENCE, finish_timeout=PATIENCE, silent=True, console="off")
    wandb.init(
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        id=run_id,
        name=config.name,
        config=plain(config),
        resume="allow",
        settings=settings,
    )
    logger = WandbMetricsLogger(log_freq=EVERY_STEPS)

    def tell_step(step: int, figures: Logs) -> None:
        logger.global_batch = step  # it counts from 0 in each process, and loses count at an epoch's end
        logger.on_train_batch_end(step, figures)

    return Tracker(
        run_id, [logger], tell_step, logger.on_epoch_end, lambda finished: wandb.finish(exit_code=int(not finished))
    )


def _start_mlflow(config: TrainConfig, run_id: str | None) -> Tracker:
    """A run of MLflow, at the server or in the folder that `MLFLOW_TRACKING_URI` names."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # by default it tries for minutes
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(PATIENCE))
    import mlflow
    from mlflow.keras import MlflowCallback

    said = _Complaints()
    logging.getLogger("mlflow").handlers = [said]
    if "MLFLOW_EXPERIMENT_NAME" not in os.environ and "MLFLOW_EXPERIMENT_ID" not in os.environ:
        mlflow.set_experiment(PROJECT)
    run = mlflow.start_run(run_id=run_id, run_name=config.name)
    if run_id is None:
        mlflow.log_dict(plain(config), "config.yaml")
    steps, epochs = MlflowCallback(log_every_epoch=False, log_every_n_steps=1), MlflowCallback()

    def tell_step(step: int, figures: Logs) -> None:
        said.raise_first()
        steps.on_batch_end(step, {f"step/{name}": figure for name, figure in figures.items()})

    def end(finished: bool) -> None:
        mlflow.end_run("FINISHED" if finished else "KILLED")

    return Tracker(run.info.run_id, [steps, epochs], tell_step, epochs.on_epoch_end, end)


class _Complaints(logging.Handler):
    """Keeps the first failure that MLflow logs of its threads and its callback, which raise none, and shows nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._first: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Takes what MLflow says."""
        said = record.getMessage()
        if self._first is None and (record.levelno >= logging.ERROR or "unexpected error" in said):
            self._first = said

    def raise_first(self) -> None:
        """Raises the failure, if there was one."""
        if self._first is not None:
            raise RuntimeError(self._first)


_STARTS: dict[str, Callable[[TrainConfig, str | None], Tracker]] = {"wandb": _start_wandb, "mlflow": _start_mlflow}
_TITLES = {"wandb": "Weights & Biases", "mlflow": "MLflow"}
