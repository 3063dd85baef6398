"""The files of a run's state: each whole or not at all, checked when it is read, the last few kept.

What is in a state, and when one is written, is decided elsewhere.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from sftkeras.console import say
from sftkeras.disk.files import write_errors
from sftkeras.errors import SFTError
from sftkeras.runs import kept

THREAD = "sftkeras state writer"  # the name of the one that writes them beside training

_FILES = "step-*.safetensors"
_PARTIAL = ".partial.safetensors"  # one name, so that what a killed process left is written over


@dataclass(frozen=True)
class State:
    """Saved state, from which a run resumes as if it had never stopped.

    Attributes:
        arrays: the variables by name.
        values: all else: numbers and words, lists and dictionaries of them.
    """

    arrays: dict[str, np.ndarray]
    values: dict[str, Any]


class DamagedStateError(Exception):
    """A file that does not hold what was once written to it."""


class StateFiles:
    """The states of one run, by the number of steps they were reached in.

    Args:
        folder: theirs alone, but for the best weights.
        keep: how many to keep.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self._folder = folder
        self._keep = keep

    def write(self, steps: int, state: State) -> None:
        """Writes the state reached in so many steps, then removes the oldest that need not be kept.

        Raises:
            SFTError: SFT108 if the disk is too full for it, SFT106 if it cannot be written for another reason.
        """
        size = sum(array.nbytes for array in state.arrays.values())
        if shutil.disk_usage(self._folder).free < size:
            raise SFTError("SFT108", path=self._folder, freed=kept(self._folder / "best.weights.h5"), flag="--runs")
        with write_errors(self._folder, "--runs"):
            partial = self._folder / _PARTIAL
            try:
                write_state(partial, state)
                os.replace(partial, self._folder / f"step-{steps:010d}.safetensors")
            finally:
                partial.unlink(missing_ok=True)
            for path in self._paths()[self._keep :]:
                path.unlink()

    def newest(self) -> State | None:
        """The newest state that is not damaged, or None if there is none; reports damaged ones."""
        paths = self._paths()
        for number, path in enumerate(paths):
            try:
                return read_state(path)
            except DamagedStateError as error:
                older = "the one before it" if number + 1 < len(paths) else "the beginning"
                say(f"{path} is damaged ({error}): the run resumes from {older}.")
        return None

    def sweep(self, steps: int) -> None:
        """Removes states of more than so many steps, which are damaged, and whatever a killed process left half
        written."""
        for path in self._paths():
            if int(path.stem.removeprefix("step-")) > steps:
                path.unlink()
        for path in self._folder.glob(".*"):
            path.unlink()

    def _paths(self) -> list[Path]:
        """The newest first."""
        return sorted(self._folder.glob(_FILES), reverse=True)


def write_state(path: Path, state: State) -> None:
    """Writes a state and waits until it is on the disk.

    Raises:
        OSError: if it cannot be written.
    """
    values = json.dumps(state.values)
    metadata = {"values": values, "checksum": str(_checksum(values, state.arrays))}
    try:
        save_file(state.arrays, path, metadata)
    except SafetensorError as error:
        raise OSError(str(error)) from error
    with path.open("rb") as file:
        os.fsync(file.fileno())


def read_state(path: Path) -> State:
    """Reads a state.

    Raises:
        DamagedStateError: if one byte or more are not those that were written.
    """
    try:
        with safe_open(path, "numpy") as file:
            metadata = file.metadata()
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dictionary
        values, checksum = metadata["values"], int(metadata["checksum"])
        if checksum == _checksum(values, arrays):
            return State(arrays, json.loads(values))
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedStateError(" ".join(str(error).split()) or type(error).__name__) from error
    raise DamagedStateError("its checksum is wrong")


def _checksum(values: str, arrays: dict[str, np.ndarray]) -> int:
    """CRC-32 of everything: it finds every flipped bit, and cut or torn files but for one in four billion."""
    checksum = zlib.crc32(values.encode())
    for name in sorted(arrays):
        array = arrays[name]
        checksum = zlib.crc32(f"{name} {array.dtype} {array.shape}".encode(), checksum)
        checksum = zlib.crc32(np.ascontiguousarray(array).view(np.uint8).reshape(-1).data, checksum)
    return checksum
