"""Packing: several short rows of a batch as one long one, each a segment with positions of its own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def first_fit(lengths: np.ndarray, room: int) -> np.ndarray:
    """Return which packed row each row goes to, [batch] int32: the longest first, each where it fits first.

    Johnson, 1973, "Near-optimal bin packing algorithms": at most 11/9 of the fewest packed rows, and one.

    Args:
        lengths: [batch], tokens of each row.
        room: tokens of a packed row, at least those of the longest.
    """
    packs = np.empty(len(lengths), np.int32)
    left: list[int] = []
    for row in np.argsort(-np.asarray(lengths), kind="stable"):
        length = int(lengths[row])
        pack = next((number for number, free in enumerate(left) if free >= length), len(left))
        if pack == len(left):
            left.append(room)
        left[pack] -= length
        packs[row] = pack
    return packs


def packed_length(lengths: np.ndarray, packs: np.ndarray) -> int:
    """Return the tokens of the longest packed row."""
    return int(np.bincount(packs, weights=lengths).max())


def pack_rows(inputs: Mapping[str, np.ndarray], packs: np.ndarray) -> dict[str, np.ndarray]:
    """Put the rows of a batch one behind the other.

    Args:
        inputs: features of the rows [batch, length], and their "padding_mask". As many columns as the longest packed
            row has.
        packs: [batch], which packed row each goes to.

    Returns:
        The same of the packed rows, [packed rows, length]; and `segments` and `positions`, int32: the number of each
        token's row within the packed row, from 1, 0 for padding; and the token's place in its row, from 0.
    """
    lengths = inputs["padding_mask"].sum(1)
    shape = (int(packs.max()) + 1, inputs["padding_mask"].shape[1])
    packed = {name: np.zeros(shape, array.dtype) for name, array in inputs.items()}
    segments, positions = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    begins, counts = np.zeros(shape[0], np.int64), np.zeros(shape[0], np.int32)
    for row, pack in enumerate(packs):
        cells = pack, slice(begins[pack], begins[pack] + lengths[row])
        for name, array in inputs.items():
            packed[name][cells] = array[row, : lengths[row]]
        counts[pack] += 1
        segments[cells], positions[cells] = counts[pack], np.arange(lengths[row])
        begins[pack] += lengths[row]
    return {**packed, "segments": segments, "positions": positions}
