"""Predicted batches, kept beside an output until it is whole: a command that was stopped continues behind them.

Which rows form a batch depends on the file and on the size of a batch alone, so a repeated command has the same batches
in the same order, and takes the first ones from here. Imports no TensorFlow.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from sftkeras.disk.files import write_errors
from sftkeras.disk.folder_lock import folder_locked
from sftkeras.errors import SFTError
from sftkeras.tasks.predictions import Record

_FORMAT = 2


@contextmanager
def kept_beside(output: Path, command: Mapping[str, Any]) -> Iterator[KeptBatches]:
    """Opens the batches of an output, and removes them once the block has ended well.

    They are in the folder `NAME.part` beside the output. A block that fails leaves them, and a line on standard error.

    Args:
        output: the file that is being made.
        command: what decides the predictions besides the texts, by the names of its settings.

    Raises:
        SFTError: SFT656 if they are those of another command, SFT657 if another process is adding to them, SFT106 or
            SFT108 if they cannot be written.
    """
    folder = output.with_name(f"{output.name}.part")
    with ExitStack() as stack:
        with write_errors(folder, "--output"):
            try:
                stack.enter_context(folder_locked(folder, wait=False))
            except BlockingIOError as error:
                raise SFTError("SFT657", folder=folder) from error
            file = stack.enter_context((folder / "batches.jsonl").open("a+b"))
        kept = KeptBatches(file, folder, command)
        try:
            yield kept
        except BaseException:
            if kept.is_empty:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                print(f"{folder} keeps what was predicted: the same command continues there.", file=sys.stderr)
            raise
        shutil.rmtree(folder)


class KeptBatches:
    """The batches of one output, in their order.

    Args:
        file: of lines of JSON, open for reading and appending: what decides the predictions, then the batches.
        folder: that it is in.
        command: see `kept_beside`.

    Attributes:
        folder: for what is written until the output is whole.

    Raises:
        SFTError: SFT656 if the file is of another command.
    """

    def __init__(self, file: BinaryIO, folder: Path, command: Mapping[str, Any]) -> None:
        self._file, self.folder = file, folder
        self._rows = 0  # that were taken or kept so far
        self._reading = True
        file.seek(0)
        command = {"format": _FORMAT, **command}
        kept = self._next()
        if kept is None:
            self._append(command)
        elif kept != command:
            name = next(name for name in [*command, *kept] if command.get(name) != kept.get(name))
            raise self._other(f"has {name} {command.get(name)}, not {kept.get(name)}")
        self._begin = file.tell()

    @property
    def is_empty(self) -> bool:
        """Whether no batch is kept."""
        return os.fstat(self._file.fileno()).st_size <= self._begin

    def next(self, asked: Any) -> list[Record] | None:
        """Returns the records of the next batch; None behind the last that is kept.

        Args:
            asked: all that the batch is predicted from, as JSON values.

        Raises:
            SFTError: SFT656 if the batch that is kept was predicted from something else.
        """
        kept = self._next()
        if kept is None:
            return None
        if kept["asked"] != _digest(asked):
            raise self._other(f"reads other texts, below row {self._rows:,}")
        found: list[Record] = kept["records"]
        self._rows += len(found)
        return found

    def add(self, asked: Any, records: list[Record]) -> None:
        """Keeps the records of the next batch."""
        self._append({"asked": _digest(asked), "records": records})
        self._rows += len(records)

    def _next(self) -> dict[str, Any] | None:
        """The next line that is kept; None behind the last. What a process that died has half written is cut off."""
        if not self._reading:
            return None
        place, line = self._file.tell(), self._file.readline()
        try:
            if line.endswith(b"\n"):
                values: dict[str, Any] = json.loads(line)
                return values
        except ValueError:
            pass
        self._file.truncate(place)
        self._reading = False
        return None

    def _append(self, values: Mapping[str, Any]) -> None:
        self._reading = False
        with write_errors(self.folder, "--output"):
            self._file.write(json.dumps(values, default=str).encode() + b"\n")
            self._file.flush()

    def _other(self, difference: str) -> SFTError:
        return SFTError("SFT656", folder=self.folder, difference=difference)


def _digest(asked: Any) -> str:
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()
