"""From the cells of the label column to numbers: class ids, label sets or targets. Knows no files.

What a cell of labels may look like is in `label_cells`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

import numpy as np

from sftkeras.config import LabelKind
from sftkeras.data.checks.findings import Fault
from sftkeras.data.formats.cells import cell_text
from sftkeras.data.labels.classes.cells import LabelCells, wrong_shape
from sftkeras.data.labels.names import LabelNames
from sftkeras.data.labels.spans.stored import ANSWER, SpansReader

# 1,000 or 1.234.567,8 or 1 000: groups of three digits, and perhaps decimals after another mark.
_IN_THOUSANDS = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>[1-9]\d{0,2}(?P<mark>[,.'’ \u00a0\u202f])\d{3}(?:(?P=mark)\d{3})*)"
    r"(?P<rest>(?!(?P=mark))[.,]\d+)?"
)

# Cells are learned once: how many different ones are remembered at most. A list or an object may take kilobytes.
_REMEMBERED, _REMEMBERED_LARGE = 1 << 20, 1 << 14


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


class ClassReader:
    """One label a row. The numbers are ids in the order labels were first seen; `final` sorts them."""

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

    def final(self) -> tuple[tuple[str, ...], np.ndarray]:
        """Returns the sorted names, and the final id of each id given by `read`."""
        return self._names.sorted()


class ClassesReader:
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

    def final(self) -> tuple[tuple[str, ...], np.ndarray, list[tuple[int, ...]]]:
        """Returns the sorted names, the final number of each set number given by `read`, and the sets, sorted."""
        names, ids = self._names.sorted()
        renamed = [tuple(sorted({int(ids[label]) for label in labels})) for labels in self._sets]
        ordered = sorted(set(renamed))
        place = {labels: number for number, labels in enumerate(ordered)}
        return names, np.array([place[labels] for labels in renamed], np.int32), ordered


def _most_remembered(cell: Any) -> int:
    return _REMEMBERED_LARGE if isinstance(cell, (list, tuple, dict)) else _REMEMBERED


def _hashable(cell: Any) -> Any:
    """A cell as a key that is found again; 1, 1.0 and true, which are equal as keys, are three."""
    if isinstance(cell, dict):
        return (dict, *((label, type(value), value) for label, value in cell.items()))
    if isinstance(cell, (list, tuple)):
        return (list, *((type(item), item) for item in cell))
    return type(cell), cell


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
        return Fault("SFT218", {"found": f'"{shown[:40]}"', "column": self._column, "hint": _hint(shown[:40])})


def _hint(shown: str) -> str:
    """Says how a number is to be written; what its comma means must be certain."""
    if found := _IN_THOUSANDS.fullmatch(shown):
        whole = re.sub(r"\D", "", found["whole"])
        plain = found["sign"] + whole + (f".{found['rest'][1:]}" if found["rest"] else "")
        if found["rest"] or found["mark"] != "," or found["whole"].count(",") > 1:
            return f" Thousands separators are not read: write {plain}, not {shown}."
        return f" If the comma separates thousands, write {plain}; if it is a decimal comma, write a point."
    with_point = shown.replace(".", "").replace(",", ".")
    if "," in shown and _is_number(with_point):
        return f" Write decimals with a point: {with_point}, not {shown}."
    return ""


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
