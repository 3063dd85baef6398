"""What tests take from the runs that `conftest.py` makes, the flags of such a run, and its curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from command_line import flags
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

Refuse = Callable[..., str]

RESUMABLE = 75  # the exit code of a training that stopped with its state saved


@dataclass(frozen=True)
class Finished:
    """What a finished run left: do not change it, copy it."""

    run: Path
    model: Path


@dataclass(frozen=True)
class Interrupted:
    """A training that was stopped, and the words of its command: do not change it, copy it."""

    folder: Path
    words: Sequence[str]

    @property
    def run(self) -> Path:
        return self.folder / "runs" / "tiny"

    @property
    def said(self) -> str:
        return (self.folder / "train.output").read_text()

    @property
    def complained(self) -> str:
        return (self.folder / "train.errors").read_text()


def tiny_flags(folder: Path, tiny_bert: Path, **settings: object) -> list[str]:
    """Flags of a run in `folder` that trains within a second; the data is still to be named."""
    return flags(
        name="tiny",
        backbone__handle=tiny_bert,
        backbone__max_length=32,
        runs=folder / "runs",
        export__folder=folder / "saved_models",
        optimizer__learning_rate=0.01,
        training__batch_size=8,
        training__epochs=2,
        report__bootstrap=20,
        **settings,
    )


def curve(run: Path, tag: str) -> np.ndarray:
    """The values that TensorBoard shows of a run, such as "step/loss" or "epoch/val_loss"."""
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"tensors": 0}).Reload()
    return np.array([make_ndarray(event.tensor_proto) for event in events.Tensors(tag)])
