"""Outputs of a teacher for rows, computed once and mapped from disk, as tokens are. Knows no teacher."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sftkeras.data.storage.cached import find_or_make
from sftkeras.disk.cache import VARIABLE, cache_folder
from sftkeras.disk.files import write_errors

FORMAT = 1  # of the cache; raise it when what is written changes

GivenRows = Iterator[tuple[np.ndarray, np.ndarray]]
"""Numbers of some rows, and what a teacher gives of each, [rows, …] or [rows, length, …] float32."""


class TeacherOutputs:
    """Outputs of a teacher for some rows, read-only.

    Args:
        folder: of the cache.
        manifest: of the folder.
        lengths: tokens of every row of the data, where it gives something of each token; None where it does not.
        filling: stands for what it gives of padding.
    """

    def __init__(self, folder: Path, manifest: Mapping[str, Any], lengths: np.ndarray | None, filling: float) -> None:
        rows = np.fromfile(folder / "rows.raw", np.int32)  # in the order of the file
        self._order = np.argsort(rows)
        self._rows = rows[self._order]
        values = np.asarray(np.memmap(folder / "values.raw", np.float32, "r"))
        self._values = values.reshape(-1, *manifest["shape"])
        self._lengths, self._filling = lengths, filling
        if lengths is not None:
            ends = np.cumsum(lengths[rows], dtype=np.int64)
            self._begins = ends - lengths[rows]

    def batch(self, rows: np.ndarray, length: int) -> np.ndarray:
        """Returns what it gives of some rows.

        Args:
            rows: [batch] row numbers, all of which it was asked about.
            length: tokens of the padded rows.

        Returns:
            [batch, …] float32, or [batch, length, …] of tokens; where a row of the data is several rows of the model
            inputs, [batch * several, …].
        """
        places = self._order[np.searchsorted(self._rows, rows)]
        if self._lengths is None:
            return self._values[places]
        filled = np.full((len(rows), length, *self._values.shape[1:]), self._filling, np.float32)
        for number, (begin, tokens) in enumerate(zip(self._begins[places], self._lengths[rows], strict=True)):
            filled[number, :tokens] = self._values[begin : begin + tokens]
        return filled


def find_teacher_outputs(
    key: Mapping[str, Any],
    give: Callable[[], GivenRows],
    *,
    lengths: np.ndarray | None = None,
    filling: float = 0.0,
) -> TeacherOutputs:
    """Returns what a teacher gives of rows; it is computed only if the cache lacks it.

    Args:
        key: says all that decides it: the teacher, the texts and the rows.
        give: gives it, in any order of the rows.
        lengths: tokens of every row of the data, if it is of tokens.
        filling: stands for what it gives of padding.

    Raises:
        SFTError: SFT106 or SFT108 if the cache cannot be written, and what `give` raises.
    """
    entry = hashlib.sha256(json.dumps([FORMAT, key], sort_keys=True).encode()).hexdigest()[:32]
    folder = cache_folder("teachers") / entry
    return TeacherOutputs(folder, find_or_make(folder, lambda new: _write(new, give(), lengths)), lengths, filling)


def _write(folder: Path, given: GivenRows, lengths: np.ndarray | None) -> dict[str, Any]:
    shape: list[int] = []
    with (
        write_errors(folder, VARIABLE),
        (folder / "values.raw").open("wb") as values,
        (folder / "rows.raw").open("wb") as numbers,
    ):
        for rows, outputs in given:
            if lengths is None:
                kept, shape = outputs, list(outputs.shape[1:])
            else:
                mask = np.arange(outputs.shape[1]) < lengths[rows][:, np.newaxis]
                kept, shape = outputs[mask], list(outputs.shape[2:])
            values.write(np.ascontiguousarray(kept, np.float32).tobytes())
            numbers.write(np.asarray(rows, np.int32).tobytes())
    return {"shape": shape}
