"""Terminal output of `fit`: a bar for the steps, with the time left, and a line for each epoch."""

from __future__ import annotations

import time

import keras
from rich.progress import BarColumn, TaskID, TextColumn

from sftkeras.bars import Bars, can_move
from sftkeras.console import console, say
from sftkeras.training.callbacks import Logs, StepRecord
from sftkeras.training.position import Position

FIRST_STEPS = 5  # of a process, too slow to measure the speed by
LINE_SECONDS = 300  # between two lines where there is no terminal for a bar


class TimeLeft:
    """Estimate of the time left, at the speed of this process, whatever ran before it.

    Args:
        steps: of an epoch.
        epochs: of the run.
    """

    def __init__(self, steps: int, epochs: int) -> None:
        self._steps, self._epochs = steps, epochs
        self._timed = 0  # steps
        self._seconds = 0.0  # that they took, with what is done between them
        self._seen = 0
        self._last: float | None = None
        self._pause: float | None = None  # validation and saving at an epoch's end

    def epoch_begins(self, now: float) -> None:
        """Notes how long the end of the epoch before took."""
        if self._last is not None:
            self._pause = now - self._last
        self._last = now

    def step_ends(self, now: float) -> None:
        """Notes a step."""
        self._seen += 1
        if self._last is not None and self._seen > FIRST_STEPS:
            self._seconds += now - self._last
            self._timed += 1
        self._last = now

    def of_epoch(self, step: int) -> float | None:
        """Seconds from the end of `step`, counted from 0, to the end of its epoch's last; None if not known yet."""
        return self._seconds / self._timed * (self._steps - step - 1) if self._timed else None

    def of_run(self, epoch: int, step: int) -> float | None:
        """Seconds from there to the end of the last epoch, each epoch's validation counted once one was seen."""
        rest = self.of_epoch(step)
        if rest is None:
            return None
        epochs = self._epochs - epoch - 1
        return rest + epochs * self._seconds / self._timed * self._steps + (epochs + 1) * (self._pause or 0.0)


class ShowProgress(keras.callbacks.Callback):
    """A bar for the steps and a line for each epoch; without a terminal, a line now and then.

    Args:
        record: filled by a `Recorder` that comes before this callback.
        position: where the run is; a resumed run's bar begins there.
        epochs: of the run, at most.
    """

    def __init__(self, record: StepRecord, position: Position, epochs: int) -> None:
        super().__init__()
        self._record = record
        self._position = position
        self._epochs = epochs
        self._left = TimeLeft(position.steps, epochs)
        self._said = time.monotonic()
        self._bar: Bars | None = None
        self._task: TaskID | None = None

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Opens the epoch's bar where the run is."""
        self._left.epoch_begins(time.monotonic())
        if can_move(console) and not console.quiet:
            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"))
            self._bar = Bars(*columns, console=console)
            total, done = self._position.steps, self._position.step
            self._task = self._bar.add_task(self._title, total=total, completed=done, note="")
            self._bar.start()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Moves the bar."""
        now, done = time.monotonic(), self._position.step + 1
        self._left.step_ends(now)
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=done, note=self._note())
        elif not can_move(console) and now - self._said > LINE_SECONDS:
            self._said = now
            say(f"{self._title}  {self._note()}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Closes the bar and prints the epoch's figures."""
        self.close()
        self._said = time.monotonic()
        figures = self._record.epochs[-1]
        names = [name for name in figures if name not in ("epoch", "seconds", "gradient_norm")]
        values = "  ".join(f"{name} {figures[name]:.4f}" for name in names)
        say(f"{self._title}  {figures['seconds']:.0f} s  {values}")

    def close(self) -> None:
        """Takes the bar off the terminal, also when `fit` is interrupted."""
        if self._bar:
            self._bar.stop()
            self._bar = None

    @property
    def _title(self) -> str:
        return f"epoch {self._position.epoch + 1}/{self._epochs}"

    def _note(self) -> str:
        """`120/214 steps  loss 0.3121  137 examples/s  4,210 tokens/s  left: epoch 0:22, run 3:10`."""
        epoch, step, record = self._position.epoch, self._position.step, self._record
        speeds = f"{record.examples[-1] / record.seconds[-1]:,.0f} examples/s"
        speeds += f"  {record.tokens[-1] / record.seconds[-1]:,.0f} {record.unit}/s"
        note = f"{step + 1:,}/{self._position.steps:,} steps  loss {record.losses[-1]:.4f}  {speeds}"
        of_epoch, of_run = self._left.of_epoch(step), self._left.of_run(epoch, step)
        if of_epoch is None or of_run is None:
            return note
        return f"{note}  left: epoch {_clock(of_epoch)}, run {_clock(of_run)}"


def _clock(seconds: float) -> str:
    """`0:42`, `12:05`, `31:02:05`."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
