"""Outputs of a teacher for rows, computed once and mapped from disk, as tokens are. Knows no teacher."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sftkeras.data.storage.cached import find_or_make
from sftkeras.disk.cache import VARIABLE, cache_folder
from sftkeras.disk.files import write_errors

FORMAT = 2  # of the cache; raise it when what is written changes

GivenRows = Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None]]
"""Numbers of some rows, and what a teacher gives of each, [rows, …]; or of each of their places, [rows, places, …], and
which places it gives something of, [rows, places] bool."""


class TeacherOutputs:
    """Outputs of a teacher for some rows, read-only.

    Args:
        folder: of the cache.
        manifest: of the folder.
        dtype: of the outputs.
    """

    def __init__(self, folder: Path, manifest: Mapping[str, Any], dtype: np.dtype) -> None:
        rows = np.fromfile(folder / "rows.raw", np.int32)  # in the order of the file
        self._order = np.argsort(rows)
        self._rows = rows[self._order]
        values = np.asarray(np.memmap(folder / "values.raw", dtype, "r"))
        self._values = values.reshape(-1, *manifest["shape"])
        self._ends = np.cumsum(np.fromfile(folder / "counts.raw", np.int32), dtype=np.int64)

    def of_rows(self, rows: np.ndarray) -> list[np.ndarray]:
        """Returns what it gives of each of some rows, all of which it was asked about, [1 or its places, …]."""
        found = self._order[np.searchsorted(self._rows, rows)]
        begins = np.append(0, self._ends[:-1])
        return [self._values[begin:end] for begin, end in zip(begins[found], self._ends[found], strict=True)]


def joined_rows(outputs: Sequence[np.ndarray], places: np.ndarray | None, filling: float = 0.0) -> np.ndarray:
    """Returns what a teacher gives of the rows of a batch as one array.

    Args:
        outputs: of each row, as `TeacherOutputs.of_rows` gives them.
        places: which places it gave something of, [any rows, places] bool: one after another, as many as these rows
            have; None where it gives something of rows.
        filling: stands where it gave nothing.

    Returns:
        [rows, …], or [any rows, places, …]; where a row of the data is several rows of the model inputs,
        [rows, several, …].
    """
    values = np.concatenate(outputs)
    if places is None:
        return values
    filled = np.full((*places.shape, *values.shape[1:]), filling, values.dtype)
    filled[places] = values
    return filled


def find_teacher_outputs(key: Mapping[str, Any], give: Callable[[], GivenRows], dtype: np.dtype) -> TeacherOutputs:
    """Returns what a teacher gives of rows; it is computed only if the cache lacks it.

    Args:
        key: says all that decides it: the teacher, the texts and the rows.
        give: gives it, in any order of the rows.
        dtype: of what is kept.

    Raises:
        SFTError: SFT106 or SFT108 if the cache cannot be written, and what `give` raises.
    """
    entry = hashlib.sha256(json.dumps([FORMAT, key, dtype.descr], sort_keys=True).encode()).hexdigest()[:32]
    folder = cache_folder("teachers") / entry
    return TeacherOutputs(folder, find_or_make(folder, lambda new: _write(new, give(), dtype)), dtype)


def _write(folder: Path, given: GivenRows, dtype: np.dtype) -> dict[str, Any]:
    shape: list[int] = []
    with (
        write_errors(folder, VARIABLE),
        (folder / "values.raw").open("wb") as values,
        (folder / "rows.raw").open("wb") as numbers,
        (folder / "counts.raw").open("wb") as counts,
    ):
        for rows, outputs, places in given:
            kept = outputs if places is None else outputs[places]
            shape = list(kept.shape[1:])
            values.write(np.ascontiguousarray(kept, dtype).tobytes())
            numbers.write(np.asarray(rows, np.int32).tobytes())
            counts.write((np.ones(len(rows), np.int32) if places is None else places.sum(1, dtype=np.int32)).tobytes())
    return {"shape": shape}
