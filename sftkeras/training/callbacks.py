"""Callbacks around the steps of `fit`: records, the best epoch, the stop at a loss that is not finite."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from sftkeras.disk.files import write_aside, write_errors
from sftkeras.errors import SFTError
from sftkeras.runs import kept
from sftkeras.training.batches import Batches
from sftkeras.training.position import Position
from sftkeras.training.resume.record_files import RecordFile
from sftkeras.training.workers.cluster import is_chief

Logs = dict[str, float]

_HDF5_ENTRY = 4096  # bytes that a variable takes besides its numbers, at most


@dataclass
class StepRecord:
    """History of `fit`, step by step and epoch by epoch.

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
    """Fills a `StepRecord`, and files that a resumed run fills it from.

    Args:
        record: to fill.
        batches: what is trained on.
        position: where the run is.
        folder: of the files.
    """

    def __init__(self, record: StepRecord, batches: Batches, position: Position, folder: Path) -> None:
        super().__init__()
        self.record = record
        self.record.unit = batches.unit
        self._batches = batches
        self._position = position
        self._steps = RecordFile(folder / "steps.jsonl")
        self._epochs = RecordFile(folder / "epochs.jsonl")
        # Of the whole run and of its present epoch; a clock that stands still has no beginning.
        self._run_clock, self._epoch_clock = _Clock(), _Clock()
        self._step_began = 0.0

    @property
    def seconds(self) -> float:
        """Wall time of the training, that before the run was resumed included."""
        return self._run_clock.seconds

    def state(self) -> dict[str, float]:
        """The clocks; the rows are in the files."""
        return {"seconds": self._run_clock.seconds, "epoch_seconds": self._epoch_clock.seconds}

    def restore(self, state: dict[str, float]) -> None:
        """Restores the clocks, and the rows by the position."""
        self._run_clock, self._epoch_clock = _Clock(state["seconds"]), _Clock(state["epoch_seconds"])
        for row in self._steps.read(self._position.global_step):
            self._add(row)
        self.record.epochs.extend(self._epochs.read(self._position.epoch))

    def cut(self) -> None:
        """Removes from the files what came after the position."""
        self._steps.cut(self._position.global_step)
        self._epochs.cut(self._position.epoch)

    def flush(self) -> None:
        """Hands the rows to the system, where they outlive this process."""
        self._steps.flush()
        self._epochs.flush()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Starts the run's clock."""
        self._run_clock.start()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Starts the epoch's clock."""
        self._epoch_clock.start()

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Starts the step's clock."""
        self._step_began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Records the step."""
        assert logs is not None
        rows, tokens = self._batches.size(self._position.epoch, self._position.step)
        seconds = time.perf_counter() - self._step_began
        row = {"loss": float(logs["loss"]), "seconds": seconds, "examples": rows, "tokens": tokens}
        self._add(row)
        self._steps.append(row)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Records the epoch."""
        metrics = {name: float(value) for name, value in (logs or {}).items() if name != "val_gradient_norm"}
        row = {"epoch": epoch + 1, "seconds": self._epoch_clock.seconds, **metrics}
        self.record.epochs.append(row)
        self._epochs.append(row)
        self._epoch_clock = _Clock()

    def _add(self, row: dict[str, Any]) -> None:
        self.record.losses.append(row["loss"])
        self.record.seconds.append(row["seconds"])
        self.record.examples.append(row["examples"])
        self.record.tokens.append(row["tokens"])


class _Clock:
    """Seconds, some of which may have passed in an earlier process."""

    def __init__(self, earlier: float = 0.0) -> None:
        self._earlier = earlier
        self._began: float | None = None

    @property
    def seconds(self) -> float:
        return self._earlier + (time.perf_counter() - self._began if self._began is not None else 0.0)

    def start(self) -> None:
        self._began = time.perf_counter()


class StopAtNonFinite(keras.callbacks.Callback):
    """Ends the run at the first step whose loss, or gradient, is not a finite number.

    Args:
        kept: says what of the run is kept.
        position: where the run is.
        gradient: also watch the gradient: not under float16, whose loss scaling skips such steps.
    """

    def __init__(self, kept: Path, position: Position, *, gradient: bool) -> None:
        super().__init__()
        self._kept = kept
        self._position = position
        self._watched = {"loss": "the loss", **({"gradient_norm": "the gradient"} if gradient else {})}

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Raises SFT402."""
        for name, what in self._watched.items():
            if logs and not math.isfinite(float(logs[name])):
                step, epoch = self._position.step + 1, self._position.epoch + 1
                raise SFTError(
                    "SFT402", step=step, epoch=epoch, what=what, kept=kept(self._kept), advice=_advice_for_finite()
                )


def _advice_for_finite() -> str:
    """Advice to keep numbers finite: float32 helps only where it is not used already."""
    if keras.config.dtype_policy().compute_dtype == "float32":
        return "Lower --optimizer.learning_rate."
    return "Lower --optimizer.learning_rate, or use --training.precision float32."


class KeepBest(keras.callbacks.Callback):
    """Saves the weights of the best epoch, whole or not at all.

    Args:
        network: whose weights are saved.
        path: the weights file, ending in .weights.h5.
        monitor: the logged value that is compared.
        position: where the run is.
        higher_is_better: whether it should rise.
        weights: a context in which the weights are those that were validated, where others are trained.
        timed: gives a context that times what it encloses.

    Attributes:
        best_epoch: counted from 1; 0 before there is one.
        seconds: what saving took at the last epoch's end; next to nothing if it was not the best.
    """

    def __init__(
        self,
        network: keras.Model,
        path: Path,
        monitor: str,
        position: Position,
        *,
        higher_is_better: bool,
        weights: Callable[[], AbstractContextManager[Any]] = nullcontext,
        timed: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        super().__init__()
        self._network = network
        self._path = path
        self._weights = weights
        self._timed = timed
        self._monitor = monitor
        self._position = position
        self._sign = 1 if higher_is_better else -1
        self._best = -math.inf
        self.best_epoch = 0
        self.seconds = 0.0

    def state(self) -> dict[str, float]:
        """The best epoch and its value."""
        return {"best": self._best, "best_epoch": self.best_epoch}

    def restore(self, state: dict[str, Any]) -> None:
        """Restores them."""
        self._best, self.best_epoch = state["best"], state["best_epoch"]

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Saves if the epoch is the best so far; raises SFT402 if what is monitored is not a finite number."""
        assert logs is not None
        value = self._sign * float(logs[self._monitor])
        if not math.isfinite(value):
            step, what = self._position.steps, self._monitor
            raise SFTError(
                "SFT402", step=step, epoch=epoch + 1, what=what, kept=kept(self._path), advice=_advice_for_finite()
            )
        began = time.perf_counter()
        if value > self._best:
            self._best, self.best_epoch = value, epoch + 1
            self.save()
        self.seconds = time.perf_counter() - began

    def save(self) -> None:
        """Saves the weights as they are; the chief of several workers does it for all.

        Raises:
            SFTError: SFT108 if the disk is too full for them, SFT106 if they cannot be written for another reason.
        """
        if not is_chief():
            return
        if shutil.disk_usage(self._path.parent).free < _bytes_to_save(self._network):
            # A disk that fills up while h5py 3.16 writes ends the whole process with a segmentation fault.
            raise SFTError("SFT108", path=self._path.parent, freed=kept(self._path), flag="--runs")
        with self._timed(), write_errors(self._path.parent, "--runs"), self._weights():
            write_aside(self._path, self._network.save_weights)


class StopEarly(keras.callbacks.EarlyStopping):
    """`EarlyStopping` that resumes where an interrupted run was; Keras' own begins anew."""

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Keeps what it was restored to."""

    def state(self) -> dict[str, Any]:
        """The best value, and the epochs since."""
        return {"best": self.best, "wait": self.wait}

    def restore(self, state: dict[str, Any]) -> None:
        """Restores them."""
        self.best, self.wait = state["best"], state["wait"]


def _bytes_to_save(network: keras.Model) -> int:
    parameters = sum(math.prod(variable.shape) for variable in network.variables)
    return parameters * 4 + len(network.variables) * _HDF5_ENTRY
