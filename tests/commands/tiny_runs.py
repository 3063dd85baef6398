"""What tests take from the runs that `conftest.py` makes, and the flags of such a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from command_line import flags

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
