"""From the cells of the label column to numbers: class ids, label sets or targets. Knows no files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from sftkeras.config import LabelKind
from sftkeras.data.findings import Fault
from sftkeras.data.label_names import LabelNames
from sftkeras.data.span_labels import ANSWER, SpansReader

# Cells are learned once: how many different ones are remembered at most.
_REMEMBERED = 1 << 20


class LabelReader(Protocol):
    """Turns label cells into one number a row, block after block."""

    def read(self, cells: Sequence[Any]) -> tuple[np.ndarray, dict[int, Fault]]:
        """Returns one number a cell, [n], and the faults of the cells that are no label, by index."""
        ...


def label_reader(
    kind: LabelKind,
    column: str,
    label_names: Mapping[str, str] | None,
    separator: str,
    known: Sequence[str] | None = None,
) -> ClassReader | ClassesReader | NumberReader | SpansReader | NoLabels:
    """Makes the reader for a kind of label.

    Args:
        column: its name, for messages.
        label_names: names for raw values; None keeps the values.
        separator: stands between the labels of one cell (kind "classes").
        known: the only labels there may be, in the order of their ids; None learns them from the cells.
    """
    if kind == "none":
        return NoLabels()
    if kind == "number":
        return NumberReader(column)
    if kind == "spans":  # whose raw labels have their names already
        return SpansReader(LabelNames(column, None, known))
    if kind == "answers":
        return SpansReader(LabelNames(column, None, (ANSWER,)))
    names = LabelNames(column, label_names, known)
    return ClassReader(names) if kind == "class" else ClassesReader(names, separator)


def cell_text(cell: Any) -> str | None:
    """Returns a simple cell as text without outer spaces, None if it is empty, a list or an object."""
    if isinstance(cell, str):
        return cell.strip() or None
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "surrogateescape").strip() or None
    if cell is None or isinstance(cell, (list, tuple, dict)) or cell != cell:
        return None
    if isinstance(cell, float) and cell.is_integer():  # whole numbers become floats where a column has gaps
        return str(int(cell))
    return str(cell)


class ClassReader:
    """One label a row. The numbers are ids in the order labels were first seen; `final` sorts them."""

    def __init__(self, names: LabelNames) -> None:
        self._names = names
        self._ids: dict[Any, int] = {}  # raw cell → id

    def read(self, cells: Sequence[Any]) -> tuple[np.ndarray, dict[int, Fault]]:
        """Returns ids, [n] int32, -1 where a cell is no label."""
        try:
            ids: list[int | None] = list(map(self._ids.get, cells))
        except TypeError:  # a list or an object has no hash
            ids = [None] * len(cells)
        faults: dict[int, Fault] = {}
        if None in ids:
            for row, known in enumerate(ids):
                if known is None:
                    found = self._learn(cells[row])
                    ids[row] = found if isinstance(found, int) else -1
                    if isinstance(found, Fault):
                        faults[row] = found
        return np.array(ids, np.int32), faults

    def _learn(self, cell: Any) -> int | Fault:
        if isinstance(cell, (list, tuple, dict)):
            return self._names.wrong_type(cell, "one label", " Set --task.multi_label true if a text may have several.")
        value = cell_text(cell)
        if value is None:
            return Fault("SFT217", {"column": self._names.column})
        found = self._names.learn(value)
        if isinstance(found, int) and len(self._ids) < _REMEMBERED:
            self._ids[cell] = found
        return found

    def final(self) -> tuple[tuple[str, ...], np.ndarray]:
        """Returns the sorted names, and the final id of each id given by `read`."""
        return self._names.sorted()


class ClassesReader:
    """Several labels a row, or none. The numbers stand for label sets in the order they were first seen."""

    def __init__(self, names: LabelNames, separator: str) -> None:
        self._names = names
        self._separator = separator
        self._ids: dict[Any, int] = {}  # raw cell → set id
        self._sets: dict[frozenset[int], int] = {}

    def read(self, cells: Sequence[Any]) -> tuple[np.ndarray, dict[int, Fault]]:
        """Returns set ids, [n] int32, -1 where a cell holds something that is no label."""
        ids = np.full(len(cells), -1, np.int32)
        faults: dict[int, Fault] = {}
        for row, cell in enumerate(cells):
            key = tuple(cell) if isinstance(cell, list) else cell
            try:
                known = self._ids.get(key)
            except TypeError:
                known = None
            found = self._learn(key) if known is None else known
            if isinstance(found, int):
                ids[row] = found
            else:
                faults[row] = found
        return ids, faults

    def _learn(self, cell: Any) -> int | Fault:
        if isinstance(cell, dict) or (isinstance(cell, tuple) and any(isinstance(p, (list, dict)) for p in cell)):
            return self._names.wrong_type(cell, "a list of labels")
        parts = cell.split(self._separator) if isinstance(cell, str) else cell if isinstance(cell, tuple) else [cell]
        numbers = set()
        for value in filter(None, map(cell_text, parts)):
            found = self._names.learn(value)
            if isinstance(found, Fault):
                return found
            numbers.add(found)
        number = self._sets.setdefault(frozenset(numbers), len(self._sets))
        if len(self._ids) < _REMEMBERED:
            self._ids[cell] = number
        return number

    def final(self) -> tuple[tuple[str, ...], np.ndarray, list[tuple[int, ...]]]:
        """Returns the sorted names, the final number of each set number given by `read`, and the sets, sorted."""
        names, ids = self._names.sorted()
        renamed = [tuple(sorted({int(ids[label]) for label in labels})) for labels in self._sets]
        ordered = sorted(set(renamed))
        place = {labels: number for number, labels in enumerate(ordered)}
        return names, np.array([place[labels] for labels in renamed], np.int32), ordered


class NumberReader:
    """One finite number a row."""

    def __init__(self, column: str) -> None:
        self._column = column

    def read(self, cells: Sequence[Any]) -> tuple[np.ndarray, dict[int, Fault]]:
        """Returns the numbers, [n] float32, 0 where a cell is none."""
        faults: dict[int, Fault] = {}
        try:
            numbers = np.array(list(map(_number, cells)), np.float64)
        except (ValueError, TypeError):
            numbers = np.array([self._number_or_fault(cell, row, faults) for row, cell in enumerate(cells)], np.float64)
        with np.errstate(over="ignore"):
            small = numbers.astype(np.float32)
        for row in np.flatnonzero(~np.isfinite(small)).tolist():
            faults[row] = self._fault(cells[row])
            small[row] = 0
        return small, faults

    def _number_or_fault(self, cell: Any, row: int, faults: dict[int, Fault]) -> float:
        if cell is None or (isinstance(cell, str) and not cell.strip()):
            faults[row] = Fault("SFT217", {"column": self._column})
            return 0.0
        try:
            return _number(cell)
        except (ValueError, TypeError):
            faults[row] = self._fault(cell)
            return 0.0

    def _fault(self, cell: Any) -> Fault:
        shown = cell_text(cell) or str(cell)
        with_point = shown.replace(".", "").replace(",", ".")
        hint = ""
        if "," in shown and _is_number(with_point):
            hint = f" Write decimals with a point: {with_point}, not {shown}."
        return Fault("SFT218", {"found": f'"{shown[:40]}"', "column": self._column, "hint": hint})


class NoLabels:
    """No label a row: texts are all there is."""

    def read(self, cells: Sequence[Any]) -> tuple[np.ndarray, dict[int, Fault]]:
        """Returns zeros, [n] int32, whatever the cells hold."""
        return np.zeros(len(cells), np.int32), {}


def _number(cell: Any) -> float:
    if isinstance(cell, (bool, list, dict)) or (isinstance(cell, str) and "_" in cell):
        raise ValueError("not a number")  # Python itself would read True as 1 and 1_0 as 10
    return float(cell)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
