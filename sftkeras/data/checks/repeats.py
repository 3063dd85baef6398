"""Finds rows of the same text through 64-bit hashes, without holding the texts in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_CHUNK = 1 << 16
_HIGH = np.uint64(0xFFFFFFFF00000000)
_LOW = np.uint64(0x00000000FFFFFFFF)


@dataclass(frozen=True)
class Repeats:
    """Groups of two or more rows with the same text.

    Attributes:
        rows: [m] int64, group after group, ascending within each.
        groups: [m] int64, the number of each row's group, from 0.
    """

    rows: np.ndarray
    groups: np.ndarray

    def __len__(self) -> int:
        return int(self.groups[-1]) + 1 if len(self.groups) else 0

    def among(self, rows: int) -> Repeats:
        """Returns the groups as they are among the first `rows` rows; a group may have one row left."""
        inside = self.rows < rows
        _, groups = np.unique(self.groups[inside], return_inverse=True)
        return Repeats(self.rows[inside], groups.astype(np.int64))


def find_repeats(hashes: np.ndarray) -> Repeats:
    """Groups rows by their text's hash.

    Args:
        hashes: [n] uint64; n below 2**32. Needs about 10 bytes a row while it works.
    """
    # Half of the hash and the row number fit one integer: sorted in place, equal texts lie side by side.
    packed = np.empty(len(hashes), np.uint64)
    for begin in range(0, len(hashes), _CHUNK):
        part = packed[begin : begin + _CHUNK]
        np.bitwise_and(hashes[begin : begin + _CHUNK], _HIGH, out=part)
        part |= np.arange(begin, begin + len(part), dtype=np.uint64)
    packed.sort()
    candidates = packed[_with_equal_neighbour(packed)] & _LOW
    del packed
    rows = candidates.astype(np.int64)
    whole = hashes[rows]
    order = np.lexsort((rows, whole))
    rows, whole = rows[order], whole[order]
    equal = _beside_equal(whole)  # now all 64 bits decide
    rows, whole = rows[equal], whole[equal]
    begins = np.ones(len(rows), bool)
    begins[1:] = whole[1:] != whole[:-1]
    return Repeats(rows, np.cumsum(begins) - 1)


def _with_equal_neighbour(packed: np.ndarray) -> np.ndarray:
    """Marks the entries whose upper half is that of the entry before or after, [n] bool."""
    marked = np.zeros(len(packed), bool)
    for begin in range(0, len(packed), _CHUNK):
        window = packed[max(begin - 1, 0) : begin + _CHUNK + 1] >> np.uint64(32)
        found = _beside_equal(window)
        first = 1 if begin else 0
        here = marked[begin : begin + _CHUNK]
        here[:] = found[first : first + len(here)]
    return marked


def _beside_equal(values: np.ndarray) -> np.ndarray:
    marked = np.zeros(len(values), bool)
    equal = values[1:] == values[:-1]
    marked[1:] |= equal
    marked[:-1] |= equal
    return marked
