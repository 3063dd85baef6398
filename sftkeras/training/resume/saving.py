"""When the state of a run is saved, and the thread that writes it while training continues."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import keras

from sftkeras.config import CheckpointConfig
from sftkeras.training.callbacks import Logs
from sftkeras.training.position import Position
from sftkeras.training.resume.preemption import StopWish
from sftkeras.training.resume.run_state import RunState
from sftkeras.training.resume.state_files import THREAD, State, StateFiles
from sftkeras.training.workers.cluster import agree, is_chief


class Stopped(Exception):  # noqa: N818 - no error
    """Training stopped because a signal asked for it; its state is on the disk."""


class StateWriter:
    """Writes one state at a time beside the training loop, on the chief alone.

    Args:
        files: of the run.
    """

    def __init__(self, files: StateFiles) -> None:
        self._files = files
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def write(self, steps: int, state: State) -> None:
        """Begins to write, and lets go of the state once it is written; its arrays must stay as they are until then."""
        self.wait()
        if is_chief():
            # A daemon, so that a second ctrl-C need not wait for it: what is half written is swept away later.
            self._thread = threading.Thread(target=self._write, args=(steps, state), name=THREAD, daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Waits until the last state is written; raises what kept it from being written."""
        if self._thread:
            self._thread.join()
            self._thread = None
        if self._failure:
            failure, self._failure = self._failure, None
            raise failure

    def _write(self, steps: int, state: State) -> None:
        try:
            self._files.write(steps, state)
        except BaseException as error:
            self._failure = error


class SaveStates(keras.callbacks.Callback):
    """Saves the state every so many steps or minutes, at each epoch's end, and when a signal asks to stop.

    It comes last of all callbacks, so that the others have done what they do at a step before it counts as done.

    Args:
        state: what is saved.
        writer: where it goes.
        config: how often.
        position: where the run is.
        epochs: the last epoch's number, counted from 1.
        wish: whether a signal asked to stop.
        flush: functions that hand to the system what is recorded so far; called before each state is written.
        timed: gives a context that times what it encloses.
    """

    def __init__(
        self,
        state: RunState,
        writer: StateWriter,
        config: CheckpointConfig,
        position: Position,
        *,
        epochs: int,
        wish: StopWish,
        flush: Sequence[Callable[[], None]],
        timed: Callable[[], AbstractContextManager[None]],
    ) -> None:
        super().__init__()
        self._state = state
        self._writer = writer
        self._config = config
        self._position = position
        self._epochs = epochs
        self._wish = wish
        self._flush = flush
        self._timed = timed
        self._saved_at = time.monotonic()
        self._before_validation: State | None = None

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Puts back the metrics of an epoch that is resumed in its middle; `fit` has just reset them."""
        self._state.restore_metrics()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Saves if it is time to."""
        position = self._position
        stop, due = agree(self._wish.wanted, self._is_due())
        last = position.step + 1 == position.steps
        if stop or due or last:
            state = self._capture(position.epoch, position.step + 1)
            # Validation resets the metrics: the state to save if it is stopped is the one that it begins with.
            self._before_validation = state if last else None
            if stop or due:
                self._write(state)
        if stop:
            self._stop()

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Stops a validation that a signal asks to stop; the resumed run does it again."""
        (stop,) = agree(self._wish.wanted)
        if not stop:
            return
        if self._before_validation:  # or else the run was resumed at this validation, and its state is there
            self._write(self._before_validation)
        self._stop()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Saves the beginning of the next epoch."""
        (stop,) = agree(self._wish.wanted)
        done = epoch + 1 == self._epochs or self.model.stop_training
        self._before_validation = None
        self._write(self._capture(epoch + 1, 0, done=done))
        if stop and not done:
            self._stop()

    def _is_due(self) -> bool:
        every_steps, every_minutes = self._config.every_steps, self._config.every_minutes
        by_steps = every_steps is not None and (self._position.global_step + 1) % every_steps == 0
        return by_steps or (every_minutes is not None and time.monotonic() - self._saved_at >= every_minutes * 60)

    def _capture(self, epoch: int, step: int, *, done: bool = False) -> State:
        with self._timed():
            return self._state.capture(epoch, step, done=done)

    def _write(self, state: State) -> None:
        with self._timed():
            for flush in self._flush:
                flush()
            self._writer.write(state.values["epoch"] * self._position.steps + state.values["step"], state)
        self._saved_at = time.monotonic()

    def _stop(self) -> None:
        self._writer.wait()
        raise Stopped
