"""Cells of labels to class ids, or to numbers of label sets. What a cell may look like is in `cells`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from sftkeras.data.checks.findings import Fault
from sftkeras.data.labels.classes.cells import LabelCells, wrong_shape
from sftkeras.data.labels.names import LabelNames
from sftkeras.data.labels.reader import LabelReader, write_column

# Cells are learned once: how many different ones are remembered at most. A list or an object may take kilobytes.
_REMEMBERED, _REMEMBERED_LARGE = 1 << 20, 1 << 14


class ClassReader(LabelReader):
    """One label a row. The numbers are ids in the order labels were first seen; `finish` sorts them."""

    def __init__(self, names: LabelNames) -> None:
        self._names = names
        self._cells = LabelCells(names)
        self._ids: dict[Any, int] = {}  # raw cell → id

    def read(self, cells: Sequence[Any]) -> tuple[np.ndarray, dict[int, Fault]]:
        """Returns ids, [n] int32, -1 where a cell is no label; raises SFT245 as `LabelCells`."""
        self._cells.look_at(cells)
        keys, ids = self._known(cells)
        faults: dict[int, Fault] = {}
        if None in ids:
            for row, known in enumerate(ids):
                if known is None:
                    found = self._learn(cells[row], keys[row])
                    ids[row] = found if isinstance(found, int) else -1
                    if isinstance(found, Fault):
                        faults[row] = found
        return np.array(ids, np.int32), faults

    def _known(self, cells: Sequence[Any]) -> tuple[Sequence[Any], list[int | None]]:
        """Return the keys under which the ids of cells are remembered, and the ids of those seen before, else None."""
        if bool not in map(type, cells):  # which are equal to 0 and 1
            with suppress(TypeError):  # a list or an object has no hash
                return cells, list(map(self._ids.get, cells))
        keys = [_hashable(cell) for cell in cells]
        with suppress(TypeError):
            return keys, list(map(self._ids.get, keys))
        return [None] * len(cells), [None] * len(cells)

    def _learn(self, cell: Any, key: Any) -> int | Fault:
        found = self._cells.numbers(cell)
        if isinstance(found, Fault):
            return found
        if not found:
            return Fault("SFT217", {"column": self._names.column})
        if len(found) > 1:
            hint = " Set --task.multi_label true if a text may have several."
            return wrong_shape(self._names.column, f"{len(found)} labels", "one label", hint)
        if key is not None and len(self._ids) < _most_remembered(cell):
            self._ids[key] = found[0]
        return found[0]

    def finish(self, folder: Path, raw: np.ndarray, rows: int) -> dict[str, Any]:
        """Writes the final id of each row, [rows] int32."""
        names, final = self._names.sorted()
        write_column(folder / "labels.npy", raw, np.dtype(np.int32), convert=lambda chunk: final[chunk])
        return {"label_names": list(names)}


class ClassesReader(LabelReader):
    """Several labels a row, or none. The numbers stand for label sets in the order they were first seen."""

    def __init__(self, names: LabelNames, separator: str) -> None:
        self._names = names
        self._cells = LabelCells(names, separator)
        self._ids: dict[Any, int] = {}  # raw cell → set id
        self._sets: dict[frozenset[int], int] = {}

    def read(self, cells: Sequence[Any]) -> tuple[np.ndarray, dict[int, Fault]]:
        """Returns set ids, [n] int32, -1 where a cell holds something that is no label; raises SFT245."""
        self._cells.look_at(cells)
        ids = np.full(len(cells), -1, np.int32)
        faults: dict[int, Fault] = {}
        for row, cell in enumerate(cells):
            key = _hashable(cell)
            try:
                known = self._ids.get(key)
            except TypeError:  # lists in a list
                key, known = None, None
            found = self._learn(cell, key) if known is None else known
            if isinstance(found, int):
                ids[row] = found
            else:
                faults[row] = found
        return ids, faults

    def _learn(self, cell: Any, key: Any) -> int | Fault:
        found = self._cells.numbers(cell)
        if isinstance(found, Fault):
            return found
        number = self._sets.setdefault(frozenset(found), len(self._sets))
        if key is not None and len(self._ids) < _most_remembered(cell):
            self._ids[key] = number
        return number

    def finish(self, folder: Path, raw: np.ndarray, rows: int) -> dict[str, Any]:
        """Writes which labels each row has, [rows, labels] uint8, and the number of its label set, [rows] int32."""
        names, sets, final = self._final()
        members = np.zeros((len(sets), max(len(names), 1)), np.uint8)  # a file mapping cannot be empty
        for number, labels in enumerate(sets):
            members[number, list(labels)] = 1
        write_column(folder / "sets.npy", raw, np.dtype(np.int32), convert=lambda chunk: final[chunk])
        width = members.shape[1:]
        write_column(folder / "labels.npy", raw, np.dtype(np.uint8), width, lambda chunk: members[final[chunk]])
        return {"label_names": list(names), "label_sets": sets}

    def _final(self) -> tuple[tuple[str, ...], list[tuple[int, ...]], np.ndarray]:
        """Return the sorted names, the sets, sorted, and the final number of each set number given by `read`."""
        names, ids = self._names.sorted()
        renamed = [tuple(sorted({int(ids[label]) for label in labels})) for labels in self._sets]
        ordered = sorted(set(renamed))
        place = {labels: number for number, labels in enumerate(ordered)}
        return names, ordered, np.array([place[labels] for labels in renamed], np.int32)


def _most_remembered(cell: Any) -> int:
    return _REMEMBERED_LARGE if isinstance(cell, (list, tuple, dict)) else _REMEMBERED


def _hashable(cell: Any) -> Any:
    """A cell as a key that is found again; 1, 1.0 and true, which are equal as keys, are three."""
    if isinstance(cell, dict):
        return (dict, *((label, type(value), value) for label, value in cell.items()))
    if isinstance(cell, (list, tuple)):
        return (list, *((type(item), item) for item in cell))
    return type(cell), cell
