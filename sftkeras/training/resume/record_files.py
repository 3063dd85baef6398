"""The record of a run on disk: rows that are only added, and cut back to where a resumed run continues."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TextIO

from sftkeras.training.workers.cluster import is_chief

Row = dict[str, Any]


class RecordFile:
    """A file of JSON lines, one a step or an epoch, so that a state need not hold what came before it.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None

    def read(self, rows: int) -> list[Row]:
        """The first so many rows, without those that are damaged."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            return [row for row, _ in zip(map(_parse, file), range(rows), strict=False) if row is not None]

    def cut(self, rows: int) -> None:
        """Removes all but the first so many rows."""
        if not self._path.exists():
            return
        with self._path.open("r+b") as file:
            for _ in range(rows):
                file.readline()
            file.truncate(file.tell())

    def append(self, row: Row) -> None:
        """Adds a row; of several workers only the chief does."""
        if not is_chief():
            return
        if self._file is None:
            self._file = self._path.open("a", encoding="utf-8")
        self._file.write(json.dumps(row) + "\n")

    def flush(self) -> None:
        """Hands what was added to the system, where it outlives this process."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _parse(line: bytes) -> Row | None:
    try:
        row = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
