"""Batches of rows of like length, and their outputs put together: padded to one size, as the tasks pad in the graph.

Rows are lists where a text has entities or masks: every batch is as wide as its longest row. Imports no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sftkeras.tasks.predictions import Outputs, predictions_of, ranks_of

PADDING = -1  # of whole numbers, such as places


def by_length(lengths: Sequence[int], batch_size: int) -> list[np.ndarray]:
    """Returns the rows of each batch: rows of like length go together, the longest first.

    A batch that needs too much memory is found out at once so, and batches that run side by side end at about the same
    time. No rows are one batch without any, whose outputs have the shapes.
    """
    order = np.argsort(-np.asarray(lengths, np.int64), kind="stable")
    return [order[begin : begin + batch_size] for begin in range(0, max(len(order), 1), batch_size)]


def in_order(parts: Sequence[Mapping[str, np.ndarray]], plan: Sequence[np.ndarray]) -> Outputs:
    """Joins the outputs of batches, and puts the rows back to where they were before `by_length`."""
    back = np.argsort(np.concatenate(plan), kind="stable")
    return {name: array[back] for name, array in joined(parts).items()}


def joined(parts: Sequence[Mapping[str, np.ndarray]]) -> Outputs:
    """Puts the outputs of several batches one after another; rows that are lists are padded to the widest.

    Raises:
        ValueError: rows of other outputs differ in shape.
    """
    if len(parts) == 1:
        return dict(parts[0])
    put_together = stacked if _has_lists(parts[0]) else np.concatenate
    return {name: put_together([part[name] for part in parts]) for name in parts[0]}


def stacked(arrays: Sequence[np.ndarray], whole_number: int = PADDING) -> np.ndarray:
    """Puts rows under one another; where their other dimensions differ, each is padded to the largest.

    Args:
        arrays: of one type and rank, [rows, …].
        whole_number: pads integers. Strings are padded with "", other numbers with 0.

    Raises:
        ValueError: the arrays differ in rank.
    """
    if len(arrays) == 1:
        return arrays[0]
    shapes = {array.shape[1:] for array in arrays}
    if len(shapes) == 1:
        return np.concatenate(arrays)
    largest = tuple(max(sizes) for sizes in zip(*shapes, strict=True))
    value = _padding(arrays, whole_number)
    return np.concatenate([_padded(array, largest, value) for array in arrays])


def width_of(outputs: Mapping[str, np.ndarray]) -> int:
    """Returns how many parts each row has room for; 0 for rows that are no lists."""
    widths = (array.shape[1] for array in outputs.values() if array.ndim > 1)
    return max(widths, default=0) if _has_lists(outputs) else 0


def widened(outputs: Mapping[str, np.ndarray], width: int) -> Outputs:
    """Pads rows that are lists to `width`; leaves others as they are."""
    if not _has_lists(outputs) or width_of(outputs) >= width:
        return dict(outputs)
    return {
        name: _padded(array, (width, *array.shape[2:]), _padding([array], PADDING)) if array.ndim > 1 else array
        for name, array in outputs.items()
    }


def _has_lists(outputs: Mapping[str, np.ndarray]) -> bool:
    return predictions_of(ranks_of(outputs)).lists


def _padding(arrays: Sequence[np.ndarray], whole_number: int) -> object:
    match arrays[0].dtype.kind:
        case "O":  # bytes, as a server sends them, or str
            return type(next((array.flat[0] for array in arrays if array.size), b""))()
        case "U":
            return ""
        case "i":
            return whole_number
    return 0


def _padded(array: np.ndarray, shape: tuple[int, ...], value: object) -> np.ndarray:
    found = np.full((len(array), *shape), value, array.dtype)
    found[(slice(None), *map(slice, array.shape[1:]))] = array
    return found
