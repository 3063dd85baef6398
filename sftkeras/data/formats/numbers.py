"""Cells to numbers; where a cell holds none, how to write it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from sftkeras.data.checks.findings import Fault
from sftkeras.data.formats.cells import cell_text

# 1,000 or 1.234.567,8 or 1 000: groups of three digits, and perhaps decimals after another mark.
_IN_THOUSANDS = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>[1-9]\d{0,2}(?P<mark>[,.'’ \u00a0\u202f])\d{3}(?:(?P=mark)\d{3})*)"
    r"(?P<rest>(?!(?P=mark))[.,]\d+)?"
)


def read_numbers(cells: Sequence[Any], column: str) -> tuple[np.ndarray, dict[int, Fault]]:
    """Returns the numbers, [n] float32, 0 where a cell holds no finite one; and by index the faults of these cells.

    Args:
        column: its name, for messages. The fault is SFT217 for an empty cell, else SFT218.
    """
    faults: dict[int, Fault] = {}
    try:
        numbers = np.array(list(map(_number, cells)), np.float64)
    except (ValueError, TypeError):
        found = [_number_or_fault(cell, column) for cell in cells]
        faults = {row: one for row, one in enumerate(found) if isinstance(one, Fault)}
        numbers = np.array([0.0 if isinstance(one, Fault) else one for one in found], np.float64)
    with np.errstate(over="ignore"):
        small = numbers.astype(np.float32)
    for row in np.flatnonzero(~np.isfinite(small)).tolist():
        faults[row] = _no_number(cells[row], column)
        small[row] = 0
    return small, faults


def _number_or_fault(cell: Any, column: str) -> float | Fault:
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return Fault("SFT217", {"column": column})
    try:
        return _number(cell)
    except (ValueError, TypeError):
        return _no_number(cell, column)


def _no_number(cell: Any, column: str) -> Fault:
    shown = cell_text(cell) or str(cell)
    return Fault("SFT218", {"found": f'"{shown[:40]}"', "column": column, "hint": _hint(shown[:40])})


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


def _number(cell: Any) -> float:
    if isinstance(cell, (bool, list, dict)) or (isinstance(cell, str) and "_" in cell):
        raise ValueError("not a number")  # Python itself would read True as 1 and 1_0 as 10
    return float(cell)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
