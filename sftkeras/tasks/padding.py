"""Answers whose rows are lists, such as entities or masks: every batch is as wide as its longest row. Batches of other
widths are filled up to one, with what the tasks fill up with in the graph.

Knows the names of outputs alone, so that it works on what any server answers. Imports no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sftkeras.tasks.masked_lm.predictions import MASKS
from sftkeras.tasks.tagging.predictions import FILLING, SPANS

Outputs = dict[str, np.ndarray]
"""The named outputs of a model, one row a text."""


def are_lists(ranks: Mapping[str, int]) -> bool:
    """Whether the rows of a signature's outputs, by their names and ranks, are lists of spans or masks."""
    return SPANS.items() <= ranks.items() or MASKS.items() <= ranks.items()


def joined(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Puts the answers to several batches one after another; rows that are lists are filled up to the widest.

    Raises:
        ValueError: rows of other answers differ in shape.
    """
    if len(parts) == 1:
        return dict(parts[0])
    put_together = stacked if _has_lists(parts[0]) else np.concatenate
    return {name: put_together([part[name] for part in parts]) for name in parts[0]}


def stacked(arrays: Sequence[np.ndarray], whole_number: int = FILLING) -> np.ndarray:
    """Puts rows under one another; where their other dimensions differ, each is filled up to the largest.

    Args:
        arrays: of one type and rank, [rows, …].
        whole_number: fills integers up. Strings are filled up with "", other numbers with 0.

    Raises:
        ValueError: the arrays differ in rank.
    """
    if len(arrays) == 1:
        return arrays[0]
    shapes = {array.shape[1:] for array in arrays}
    if len(shapes) == 1:
        return np.concatenate(arrays)
    largest = tuple(max(sizes) for sizes in zip(*shapes, strict=True))
    filling = _filling(arrays, whole_number)
    return np.concatenate([_filled(array, largest, filling) for array in arrays])


def width_of(answers: Mapping[str, np.ndarray]) -> int:
    """How many spans or masks each row has room for; 0 for other answers."""
    widths = (array.shape[1] for array in answers.values() if array.ndim > 1)
    return max(widths, default=0) if _has_lists(answers) else 0


def widened(answers: Mapping[str, np.ndarray], width: int) -> dict[str, np.ndarray]:
    """Fills rows of spans or masks up to `width`; leaves other answers as they are."""
    if not _has_lists(answers) or width_of(answers) >= width:
        return dict(answers)
    return {
        name: _filled(array, (width, *array.shape[2:]), _filling([array], FILLING)) if array.ndim > 1 else array
        for name, array in answers.items()
    }


def _has_lists(answers: Mapping[str, np.ndarray]) -> bool:
    return are_lists({name: array.ndim for name, array in answers.items()})


def _filling(arrays: Sequence[np.ndarray], whole_number: int) -> object:
    match arrays[0].dtype.kind:
        case "O":  # bytes, as a server sends them, or str
            return type(next((array.flat[0] for array in arrays if array.size), b""))()
        case "U":
            return ""
        case "i":
            return whole_number
    return 0


def _filled(array: np.ndarray, shape: tuple[int, ...], filling: object) -> np.ndarray:
    found = np.full((len(array), *shape), filling, array.dtype)
    found[(slice(None), *map(slice, array.shape[1:]))] = array
    return found
