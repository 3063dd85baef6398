"""Rows of several data sets as those of one: the rows of the first have their numbers, those of the others follow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sftkeras.data.storage.row_inputs import RowInputs, Variants
from sftkeras.data.storage.teacher_outputs import TeacherOutputs


@dataclass(frozen=True)
class LearnedRows:
    """Rows that training may learn from.

    Attributes:
        inputs: the model inputs of every row of the data.
        rows: the numbers of those that are learned, ascending, [n] int32.
        labels: of every row, indexed as an array is.
        weights: of every row in the loss, float32; None is 1.
        given: what a teacher gave of those that are learned, for each variant of their texts; empty without one.
    """

    inputs: RowInputs | Variants | JoinedInputs
    rows: np.ndarray
    labels: Any
    weights: np.ndarray | None = None
    given: Sequence[TeacherOutputs | JoinedOutputs] = ()

    @property
    def size(self) -> int:
        """Number of all rows, whether they are learned or not."""
        return int(self.inputs.lengths.shape[-1])


def joined(parts: Sequence[LearnedRows]) -> tuple[LearnedRows, np.ndarray]:
    """Join the rows of several data sets.

    Args:
        parts: the sets, one or more; texts may be rewritten, and so have variants, in the first alone.

    Returns:
        All rows, of which those of the first part are learned; and the numbers of those of the others that are.
    """
    first = parts[0]
    ends = np.cumsum([part.size for part in parts])
    places = _Places(ends)
    weights = None
    if any(part.weights is not None for part in parts):
        weights = np.concatenate(
            [np.ones(part.size, np.float32) if part.weights is None else part.weights for part in parts]
        )
    given = [
        JoinedOutputs([part.given[number % len(part.given)] for part in parts], places)
        for number in range(len(first.given))
    ]
    others = [first.rows[:0], *(part.rows + end for part, end in zip(parts[1:], ends, strict=False))]
    return LearnedRows(
        JoinedInputs([part.inputs for part in parts], places),
        first.rows,
        _JoinedLabels([part.labels for part in parts], places),
        weights,
        given,
    ), np.concatenate(others).astype(np.int32)


@dataclass(frozen=True)
class _Places:
    """Places of rows among several parts.

    Attributes:
        ends: the row after the last of each part.
    """

    ends: np.ndarray

    def of(self, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Yields each part that has some of the rows: its number, where these are among the rows, and their numbers."""
        part_of = np.searchsorted(self.ends, rows, side="right")
        for part in np.unique(part_of).tolist():
            at = np.flatnonzero(part_of == part)
            yield part, at, rows[at] - (self.ends[part - 1] if part else 0)


class JoinedInputs:
    """The model inputs of all rows.

    Args:
        parts: the inputs of each part.
        places: of rows among these.

    Attributes:
        lengths: [rows] int32, or [variants, rows].
        unit: of these.
    """

    lengths: np.ndarray
    unit: str

    def __init__(self, parts: Sequence[RowInputs | Variants | JoinedInputs], places: _Places) -> None:
        self._parts, self._places = parts, places
        self.unit = parts[0].unit
        variants = parts[0].lengths.shape[:-1]
        lengths = [np.broadcast_to(part.lengths, (*variants, part.lengths.shape[-1])) for part in parts]
        self.lengths = np.concatenate(lengths, axis=-1)

    def at(self, epoch: int) -> JoinedInputs:
        """Returns the inputs as they are in an epoch."""
        return JoinedInputs([part.at(epoch) for part in self._parts], self._places)

    def batch(self, rows: np.ndarray, length: int) -> dict[str, np.ndarray]:
        """Returns the inputs of `rows` [batch], padded to `length`."""
        found: dict[str, np.ndarray] = {}
        for part, at, numbers in self._places.of(rows):
            inputs = self._parts[part]
            assert not isinstance(inputs, Variants)  # `at` has chosen one
            for name, values in inputs.batch(numbers, length).items():
                if name not in found:
                    found[name] = np.empty((len(rows), *values.shape[1:]), values.dtype)
                found[name][at] = values
        return found


class JoinedOutputs:
    """The outputs of a teacher for all rows.

    Args:
        parts: of each part.
        places: of rows among these.
    """

    def __init__(self, parts: Sequence[TeacherOutputs | JoinedOutputs], places: _Places) -> None:
        self._parts, self._places = parts, places

    def of_rows(self, rows: np.ndarray) -> list[np.ndarray]:
        """Returns what it gave of each of some rows; see `TeacherOutputs`."""
        found: list[np.ndarray] = [np.empty(0)] * len(rows)
        for part, at, numbers in self._places.of(rows):
            for place, values in zip(at.tolist(), self._parts[part].of_rows(numbers), strict=True):
                found[place] = values
        return found


class _JoinedLabels:
    """The labels of all rows; what is asked for is a list, since the labels of a part may be of any form."""

    def __init__(self, parts: Sequence[Any], places: _Places) -> None:
        self._parts, self._places = parts, places

    def __getitem__(self, rows: np.ndarray) -> list[Any]:
        found: list[Any] = [None] * len(rows)
        for part, at, numbers in self._places.of(rows):
            for place, label in zip(at.tolist(), self._parts[part][numbers], strict=True):
                found[place] = label
        return found
