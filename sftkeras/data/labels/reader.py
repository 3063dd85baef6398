"""Base of all readers of label cells: cells to numbers, block after block, and at the end to arrays of the cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sftkeras.data.checks.findings import Fault

_CHUNK = 1 << 16  # rows handled at once, so that memory stays flat


class LabelReader:
    """Reads the label cells of all files of a cache entry, in order.

    Attributes:
        dtype: of what `pack` gives.
        texts_are_short: whether a very long text is a sign that the data is divided wrongly.
    """

    dtype: ClassVar[np.dtype] = np.dtype(np.int32)
    texts_are_short: ClassVar[bool] = True

    def read(self, cells: Sequence[Any]) -> tuple[np.ndarray, dict[int, Fault]]:
        """Returns the labels of a block, [n], and by index the faults of the cells that hold none."""
        raise NotImplementedError

    def pack(self, labels: np.ndarray) -> bytes:
        """Returns the labels of good rows as bytes, which are appended to a file until all rows are read."""
        return labels.tobytes()

    def finish(self, folder: Path, raw: np.ndarray, rows: int) -> dict[str, Any]:
        """Writes the arrays that the kind's `open` maps; by default the labels as they were read.

        Args:
            folder: the cache entry.
            raw: all that `pack` gave, one block after another.
            rows: how many rows there are.

        Returns:
            What the manifest says of the labels: `label_names`, in the order of their ids, where they have names.
        """
        write_column(folder / "labels.npy", raw, self.dtype)
        return {}


def write_column(
    path: Path,
    raw: np.ndarray,
    dtype: np.dtype,
    width: tuple[int, ...] = (),
    convert: Callable[[np.ndarray], np.ndarray] | None = None,
) -> None:
    """Writes an array [rows, *width] of what `convert` makes of the raw labels [rows], chunk by chunk."""
    column = np.lib.format.open_memmap(path, "w+", dtype, (len(raw), *width))
    for begin in range(0, len(raw), _CHUNK):
        chunk = raw[begin : begin + _CHUNK]
        column[begin : begin + _CHUNK] = convert(chunk) if convert else chunk
    column.flush()


class ZeroReader(LabelReader):
    """Gives zeros, whatever the cells hold: for data without labels."""

    def read(self, cells: Sequence[Any]) -> tuple[np.ndarray, dict[int, Fault]]:
        """Returns zeros, [n] int32."""
        return np.zeros(len(cells), np.int32), {}
