"""What happens around the steps of `fit`: progress, records, the best epoch, the stop at a loss that is not finite."""

from __future__ import annotations

import math
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

import keras
from rich.progress import Progress, TaskID

from sftkeras.cache import write_aside, write_errors
from sftkeras.console import progress_bar, say
from sftkeras.errors import SFTError
from sftkeras.runs import kept
from sftkeras.training.batches import Batches

Logs = dict[str, float]

_HDF5_ENTRY = 4096  # bytes that a variable takes besides its numbers, at most


@dataclass
class StepRecord:
    """What `fit` did, step by step and epoch by epoch.

    Attributes:
        losses: each step's loss over its whole batch.
        seconds: each step's wall time.
        examples: each step's rows.
        tokens: each step's tokens, padding left out; words where the encoder reads texts.
        unit: what `tokens` counts: "tokens" or "words".
        epochs: one dictionary an epoch: epoch, seconds, metrics and validation metrics.
    """

    losses: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    examples: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    epochs: list[dict[str, float]] = field(default_factory=list)
    unit: str = "tokens"


class Recorder(keras.callbacks.Callback):
    """Fills a `StepRecord`."""

    def __init__(self, record: StepRecord, batches: Batches) -> None:
        super().__init__()
        self.record = record
        self.record.unit = batches.unit
        self._batches = batches
        self._epoch = 0
        self._step_began = self._epoch_began = 0.0

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Starts the epoch's clock."""
        self._epoch = epoch
        self._epoch_began = time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Starts the step's clock."""
        self._step_began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Records the step."""
        assert logs is not None
        rows, tokens = self._batches.size(self._epoch, batch)
        self.record.losses.append(float(logs["loss"]))
        self.record.seconds.append(time.perf_counter() - self._step_began)
        self.record.examples.append(rows)
        self.record.tokens.append(tokens)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Records the epoch."""
        metrics = {name: float(value) for name, value in (logs or {}).items() if name != "val_gradient_norm"}
        seconds = time.perf_counter() - self._epoch_began
        self.record.epochs.append({"epoch": epoch + 1, "seconds": seconds, **metrics})


class ShowProgress(keras.callbacks.Callback):
    """A bar for the steps and a line for each epoch."""

    def __init__(self, record: StepRecord, epochs: int, steps: int) -> None:
        super().__init__()
        self._record = record
        self._epochs = epochs
        self._steps = steps
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Opens the epoch's bar."""
        self._bar = progress_bar()
        self._task = self._bar.add_task(f"epoch {epoch + 1}/{self._epochs}", total=self._steps, note="")
        self._bar.start()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Moves the bar."""
        if self._bar and self._task is not None:
            speed = self._record.examples[-1] / self._record.seconds[-1]
            note = f"{batch + 1}/{self._steps} steps  loss {self._record.losses[-1]:.4f}  {speed:,.0f} examples/s"
            self._bar.update(self._task, completed=batch + 1, note=note)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Closes the bar and prints the epoch's figures."""
        self.close()
        figures = self._record.epochs[-1]
        names = [name for name in figures if name not in ("epoch", "seconds", "gradient_norm")]
        values = "  ".join(f"{name} {figures[name]:.4f}" for name in names)
        say(f"epoch {epoch + 1}/{self._epochs}  {figures['seconds']:.0f} s  {values}")

    def close(self) -> None:
        """Takes the bar off the terminal, also when `fit` is interrupted."""
        if self._bar:
            self._bar.stop()
            self._bar = None


class StopAtNonFinite(keras.callbacks.Callback):
    """Ends the run at the first step whose loss, or gradient, is not a finite number.

    Args:
        kept: says what of the run is kept.
        gradient: also watch the gradient: not under float16, whose loss scaling skips such steps.
    """

    def __init__(self, kept: Path, *, gradient: bool) -> None:
        super().__init__()
        self._kept = kept
        self._watched = {"loss": "the loss", **({"gradient_norm": "the gradient"} if gradient else {})}
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Remembers the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Raises SFT402."""
        for name, what in self._watched.items():
            if logs and not math.isfinite(float(logs[name])):
                raise SFTError("SFT402", step=batch + 1, epoch=self._epoch + 1, what=what, kept=kept(self._kept))


class KeepBest(keras.callbacks.Callback):
    """Saves the weights of the best epoch, whole or not at all.

    Args:
        network: whose weights are saved.
        path: the weights file, ending in .weights.h5.
        monitor: the logged value that is compared.
        higher_is_better: whether it should rise.
    """

    def __init__(self, network: keras.Model, path: Path, monitor: str, *, higher_is_better: bool) -> None:
        super().__init__()
        self._network = network
        self._path = path
        self._monitor = monitor
        self._sign = 1 if higher_is_better else -1
        self._best = -math.inf
        self.best_epoch = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Saves if the epoch is the best so far; raises SFT402 if what is monitored is not a finite number."""
        assert logs is not None
        value = self._sign * float(logs[self._monitor])
        if not math.isfinite(value):
            step, what = self.params["steps"], self._monitor
            raise SFTError("SFT402", step=step, epoch=epoch + 1, what=what, kept=kept(self._path))
        if value > self._best:
            self._best, self.best_epoch = value, epoch + 1
            self.save()

    def save(self) -> None:
        """Saves the weights as they are.

        Raises:
            SFTError: SFT108 if the disk is too full for them, SFT106 if they cannot be written for another reason.
        """
        if shutil.disk_usage(self._path.parent).free < _bytes_to_save(self._network):
            # A disk that fills up while h5py 3.16 writes ends the whole process with a segmentation fault.
            raise SFTError("SFT108", path=self._path.parent, freed=kept(self._path), flag="--runs")
        with write_errors(self._path.parent, "--runs"):
            write_aside(self._path, self._network.save_weights)


def _bytes_to_save(network: keras.Model) -> int:
    parameters = sum(math.prod(variable.shape) for variable in network.variables)
    return parameters * 4 + len(network.variables) * _HDF5_ENTRY
