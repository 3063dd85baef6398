"""Divides rows into parts: each stratum in the given shares, the same text never in two parts.

Where a row goes depends on its text, its stratum and the seed, not on the order of the rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sftkeras.data.checks.repeats import Repeats

UNUSED = 255  # the part of rows that belong to none

_CHUNK = 1 << 16


def split_rows(
    hashes: np.ndarray, strata: np.ndarray, repeats: Repeats, shares: Sequence[float], seed: int
) -> np.ndarray:
    """Assigns each row a part.

    Args:
        hashes: [n] uint64, equal for equal texts.
        strata: [n] int32 from 0; each stratum is divided in the same shares, to within a row where its groups of
            equal texts allow.
        repeats: groups of rows with equal texts.
        shares: one a part; what they lack to 1 is assigned to none. The first part gets a row of every stratum.
        seed: another seed gives another division.

    Returns:
        [n] uint8: the index of the part, or `UNUSED`.
    """
    used = sum(shares)
    all_shares = np.array([*shares, max(1 - used, 0.0)])
    keys = _Keys(seed)
    strata = _one_stratum_a_group(strata, repeats)
    totals = rows_of_each(strata)
    wanted = _apportion(totals, all_shares)  # [strata, parts] rows
    parts = np.full(len(hashes), len(shares), np.uint8)
    wanted -= _place_groups(parts, hashes, strata, repeats, wanted, keys)
    ordered = _shuffled_by_stratum(hashes, strata, repeats, len(totals), keys)
    singles = totals - np.bincount(strata[repeats.rows], minlength=len(totals))
    _place_singles(parts, ordered, singles, wanted)
    parts[parts == len(shares)] = UNUSED
    return parts


def rows_of(parts: np.ndarray, part: int) -> np.ndarray:
    """Returns the rows that `split_rows` assigned to a part, ascending, int32."""
    rows = np.empty(np.count_nonzero(parts == part), np.int32)
    filled = 0
    for begin in range(0, len(parts), _CHUNK):
        found = np.flatnonzero(parts[begin : begin + _CHUNK] == part)
        rows[filled : filled + len(found)] = found + begin
        filled += len(found)
    return rows


def rows_of_each(strata: np.ndarray, number: int = 0) -> np.ndarray:
    """Counts the rows of each of at least `number` strata.

    Chunk by chunk, since NumPy widens what it counts to 8 bytes a row.
    """
    number = max(number, int(strata.max()) + 1)
    counts = np.zeros(number, np.int64)
    for begin in range(0, len(strata), _CHUNK):
        counts += np.bincount(strata[begin : begin + _CHUNK], minlength=number)
    return counts


class _Keys:
    """Random-looking numbers that depend on a hash and the seed only (the finaliser of SplitMix64)."""

    def __init__(self, seed: int) -> None:
        self._salt = _mixed(np.array([seed % 2**64], np.uint64))[0]

    def of(self, hashes: np.ndarray) -> np.ndarray:
        return _mixed(hashes ^ self._salt)


def _mixed(values: np.ndarray) -> np.ndarray:
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _one_stratum_a_group(strata: np.ndarray, repeats: Repeats) -> np.ndarray:
    """Gives the rows of a group, which stay together, the lowest stratum among them."""
    if not len(repeats):
        return strata
    lowest = np.full(len(repeats), np.iinfo(np.int32).max, np.int32)
    np.minimum.at(lowest, repeats.groups, strata[repeats.rows])
    strata = strata.copy()
    strata[repeats.rows] = lowest[repeats.groups]
    return strata


def _apportion(totals: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Divides each total into whole rows: [strata, parts], each within a row of its share.

    Every share is rounded down, then the rows left over go where the fraction, and what earlier strata lost by
    rounding, is largest: so the parts as a whole have their shares too, however many small strata there are.
    """
    counts = np.zeros((len(totals), len(shares)), np.int64)
    owed = np.zeros(len(shares))
    for stratum, total in enumerate(totals.tolist()):
        exact = shares * total
        rows = np.floor(exact + 1e-9).astype(np.int64)
        claim = exact - rows + owed
        claim[exact - rows < 1e-9] = -np.inf  # whole already: a further row would be one too many
        left = total - int(rows.sum())
        if left and not rows[0]:
            claim[0] = np.inf  # a class that is not trained on cannot be learned
        rows[np.argsort(-claim, kind="stable")[:left]] += 1
        owed += exact - rows
        counts[stratum] = rows
    return counts


def _place_groups(
    parts: np.ndarray, hashes: np.ndarray, strata: np.ndarray, repeats: Repeats, wanted: np.ndarray, keys: _Keys
) -> np.ndarray:
    """Assigns the groups of equal texts, each whole, in step with the shares; returns the rows placed, as `wanted`."""
    placed = np.zeros_like(wanted)
    if not len(repeats):
        return placed
    sizes = np.bincount(repeats.groups)
    first = np.searchsorted(repeats.groups, np.arange(len(repeats)))
    heads = repeats.rows[first]
    target = np.empty(len(repeats), np.uint8)
    shares = (wanted / np.maximum(wanted.sum(axis=1, keepdims=True), 1)).tolist()
    room = wanted.tolist()
    seen = [0] * len(room)
    for group in np.argsort(keys.of(hashes[heads]), kind="stable").tolist():
        stratum, size = int(strata[heads[group]]), int(sizes[group])
        seen[stratum] += size
        fits = [part for part, free in enumerate(room[stratum]) if free >= size]
        if fits:  # the part that is furthest behind its share of the groups so far
            behind = [
                shares[stratum][part] * seen[stratum] - (int(wanted[stratum, part]) - room[stratum][part])
                for part in fits
            ]
            part = fits[behind.index(max(behind))]
        else:
            part = room[stratum].index(max(room[stratum]))
        room[stratum][part] -= size
        target[group] = part
    parts[repeats.rows] = target[repeats.groups]
    return wanted - np.array(room, wanted.dtype)


def _place_singles(parts: np.ndarray, ordered: np.ndarray, singles: np.ndarray, wanted: np.ndarray) -> None:
    """Assigns the rows whose text is theirs alone: `ordered`, of which `singles` belong to each stratum in turn.

    `wanted`, [strata, parts], says how many go to each part.
    """
    begin = 0
    for stratum, rows in enumerate(singles.tolist()):
        need = np.maximum(wanted[stratum], 0)
        while need.sum() > rows:  # a large group overfilled another part
            need[need.argmax()] -= 1
        for part, count in enumerate(need.tolist()):
            parts[ordered[begin : begin + count]] = part
            begin += count


def _shuffled_by_stratum(
    hashes: np.ndarray, strata: np.ndarray, repeats: Repeats, number: int, keys: _Keys
) -> np.ndarray:
    """Returns the rows outside of `repeats`, stratum after stratum, in the order of their keys.

    Stratum, key and row share one integer that is sorted in place: 8 bytes a row, where an argsort takes 24.
    """
    row_bits = max(len(hashes) - 1, 1).bit_length()
    stratum_bits = max(number - 1, 1).bit_length()
    key_bits = 64 - row_bits - stratum_bits
    packed = np.empty(len(hashes), np.uint64)
    for begin in range(0, len(hashes), _CHUNK):
        end = min(begin + _CHUNK, len(hashes))
        key = keys.of(hashes[begin:end]) >> np.uint64(64 - key_bits)
        stratum = strata[begin:end].astype(np.uint64) << np.uint64(64 - stratum_bits)
        packed[begin:end] = stratum | (key << np.uint64(row_bits)) | np.arange(begin, end, dtype=np.uint64)
    packed[repeats.rows] = np.iinfo(np.uint64).max  # to the end, and off
    packed.sort()
    singles = packed[: len(packed) - len(repeats.rows)]
    singles &= np.uint64((1 << row_bits) - 1)
    return singles
