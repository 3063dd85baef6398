"""A finished run, for those who work with it: its report, its history, its model, and its exported version."""

from __future__ import annotations

from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sftkeras.runs import RunFolder

if TYPE_CHECKING:
    import keras


class Run:
    """A run that was trained.

    Args:
        folder: RUNS/NAME.
    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        self.folder = Path(folder)
        self._files = RunFolder(self.folder)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    @classmethod
    def open(cls, folder: str | PathLike[str]) -> Self:
        """Open the folder of a run that was trained.

        Raises:
            SFTError: SFT109 if there is none, SFT113 if it has no weights yet.
        """
        return cls(RunFolder.open(Path(folder)).folder)

    @property
    def report(self) -> dict[str, Any]:
        """The report: `metrics`, `baselines`, `history` and all else that report.json has.

        Raises:
            SFTError: SFT124 if the run was stopped before its report.
        """
        return self._files.read_report()

    @property
    def history(self) -> list[dict[str, float]]:
        """A dictionary for each epoch: epoch, seconds, and each metric of training and validation."""
        return self.report["history"]

    @property
    def version(self) -> Path:
        """The folder of the version that was exported last.

        Raises:
            SFTError: SFT114 if there is none.
        """
        return self._files.last_export()

    @cached_property
    def model(self) -> keras.Model:
        """The trained network with its best weights, in float32: token ids and masks to logits."""
        from sftkeras import runtime

        runtime.start_tensorflow()
        from sftkeras.runs.restoring import restore_model

        with runtime.left_as_it_was():
            runtime.full_precision()
            return restore_model(RunFolder.open(self.folder)).network
