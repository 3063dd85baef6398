"""The entities of rows: read from cells into numbers, kept in flat arrays, and looked up by row."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sftkeras.data.checks.findings import Fault
from sftkeras.data.labels.names import LabelNames
from sftkeras.data.labels.reader import LabelReader

_ROWS_AT_ONCE = 1 << 14
_SPANS, _ENDS, _IDS = "spans.npy", "span_ends.npy", "labels.npy"


class SpansReader(LabelReader):
    """Lists of (start, end, label) to arrays; label numbers are in the order labels were first seen."""

    def __init__(self, names: LabelNames) -> None:
        self._names = names

    def read(self, cells: Sequence[Any]) -> tuple[np.ndarray, dict[int, Fault]]:
        """Returns [n] objects, each [spans, 3] int32 (start, end, label), and the faults of labels, by index."""
        rows = np.empty(len(cells), object)
        faults: dict[int, Fault] = {}
        for row, cell in enumerate(cells):
            spans = np.empty((len(cell), 3), np.int32)
            for place, (start, end, label) in enumerate(cell):
                number = self._names.learn(label)
                if isinstance(number, Fault):
                    faults.setdefault(row, number)
                    number = -1
                spans[place] = start, end, number
            rows[row] = spans
        return rows, faults

    def pack(self, labels: np.ndarray) -> bytes:
        """Returns for each row its count of spans, then the spans, all int32."""
        return b"".join(np.int32(len(spans)).tobytes() + spans.tobytes() for spans in labels)

    def finish(self, folder: Path, raw: np.ndarray, rows: int) -> dict[str, Any]:
        """Writes what `SpanLabels` reads."""
        names, final = self._names.sorted()
        _write_spans(folder, raw, rows, final)
        return {"label_names": list(names)}


def _write_spans(folder: Path, raw: np.ndarray, rows: int, final: np.ndarray) -> None:
    """Writes all spans, where those of each row end, and a checksum of them, [rows] int32.

    Args:
        raw: all that `pack` gave, one row after another.
        rows: how many rows there are.
        final: the final number of each label.
    """
    spans = np.lib.format.open_memmap(folder / _SPANS, "w+", np.dtype(np.int32), (max((len(raw) - rows) // 3, 1), 3))
    ends = np.lib.format.open_memmap(folder / _ENDS, "w+", np.dtype(np.int64), (rows,))
    ids = np.lib.format.open_memmap(folder / _IDS, "w+", np.dtype(np.int32), (rows,))
    place = written = 0
    for row in range(rows):
        count = int(raw[place])
        found = np.array(raw[place + 1 : place + 1 + 3 * count]).reshape(-1, 3)
        found[:, 2] = final[found[:, 2]] if count else found[:, 2]
        spans[written : written + count] = found
        place, written = place + 1 + 3 * count, written + count
        ends[row] = written
        ids[row] = np.uint32(zlib.crc32(found.tobytes())).view(np.int32)
    for array in (spans, ends, ids):
        array.flush()


class SpanLabels:
    """The entities of rows, read-only: as long as the rows, and indexed by rows as an array is.

    Args:
        spans: [all spans, 3] int32: start, end (exclusive) and label number; offsets count characters.
        begins, ends: [rows] int64: which of them are the row's.
        classes: how many labels there are.
    """

    def __init__(self, spans: np.ndarray, begins: np.ndarray, ends: np.ndarray, classes: int) -> None:
        self._spans = spans
        self._begins = begins
        self._ends = ends
        self._classes = classes

    @classmethod
    def open(cls, folder: Path, classes: int) -> SpanLabels:
        """Maps what `SpansReader.finish` wrote."""
        spans, ends = (np.asarray(np.load(folder / name, mmap_mode="r")) for name in (_SPANS, _ENDS))
        return cls(spans, np.concatenate([[0], ends[:-1]]), ends, classes)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, rows: slice | np.ndarray) -> SpanLabels:
        return SpanLabels(self._spans, self._begins[rows], self._ends[rows], self._classes)

    def __iter__(self) -> Iterator[np.ndarray]:
        for begin, end in zip(self._begins.tolist(), self._ends.tolist(), strict=True):
            yield self._spans[begin:end]

    def renumbered(self, places: np.ndarray, classes: int) -> SpanLabels:
        """Returns the same spans with other label numbers.

        Args:
            places: [labels] int32, the new number of each.
            classes: how many labels there are.
        """
        spans = np.array(self._spans)
        if len(places):
            spans[:, 2] = places[spans[:, 2]]
        return SpanLabels(spans, self._begins, self._ends, classes)

    def members(self) -> np.ndarray:
        """Labels of each row, [rows, classes] uint8."""
        found = np.zeros((len(self), self._classes), np.uint8)
        for row, spans in enumerate(self):
            found[row, spans[:, 2]] = 1
        return found

    def strata(self) -> np.ndarray:
        """The rarest label of each row, [rows] int32; rows without a label are a stratum of their own."""
        counts = np.zeros(self._classes, np.int64)
        parts = [self[begin : begin + _ROWS_AT_ONCE] for begin in range(0, len(self), _ROWS_AT_ONCE)]
        for part in parts:
            counts += part.members().sum(axis=0, dtype=np.int64)
        order = np.argsort(counts, kind="stable")
        strata = np.full(len(self), self._classes, np.int32)
        for number, part in enumerate(parts):
            ordered = part.members()[:, order]
            rarest = np.where(ordered.any(axis=1), order[ordered.argmax(axis=1)], self._classes)
            strata[number * _ROWS_AT_ONCE : number * _ROWS_AT_ONCE + len(part)] = rarest
        return strata
