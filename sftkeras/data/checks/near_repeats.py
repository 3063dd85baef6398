"""Finds texts that are nearly the same: by MinHash (Broder, 1997) and locality-sensitive hashing, then by true overlap.

Two texts are near when they share four fifths of their runs of four letters, in whatever case and punctuation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from zlib import crc32

import numpy as np

from sftkeras.data.checks.repeats import Repeats

MOST_TEXTS = 50_000  # different ones that are compared: some fifteen seconds

_RUN = 4  # letters
_NEAR = 0.8  # of all runs of two texts, how many both have
_BANDS, _ROWS = 12, 5  # find 99% of pairs that share four fifths, and a ninth of those that share two

_TOLD = 256  # texts between two reports of progress

_WORDS = re.compile(r"\w+")


def near_groups(texts: Sequence[str], compared: Callable[[int], object] = lambda count: None) -> np.ndarray:
    """Groups texts of which each is near another one of its group.

    Beyond `MOST_TEXTS` different texts only equal ones are in a group.

    Args:
        texts: any number.
        compared: is told now and then how many different ones were compared.

    Returns:
        [n] int32, for each text the number of the first of its group.
    """
    plain = [" ".join(_WORDS.findall(text.lower())) or text for text in texts]
    first: dict[str, int] = {}
    parents = np.array([first.setdefault(text, number) for number, text in enumerate(plain)], np.int32)
    if 1 < len(first) <= MOST_TEXTS:
        for one, other in _near_pairs(list(first), list(first.values()), compared):
            low, high = sorted((_root(parents, one), _root(parents, other)))
            parents[high] = low
    return np.array([_root(parents, number) for number in range(len(parents))], np.int32)


def repeats_of(groups: np.ndarray) -> Repeats:
    """Returns the groups of two or more rows.

    Args:
        groups: [n], equal for rows of one group.
    """
    _, numbers, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    rows = np.flatnonzero(sizes[numbers] > 1)
    rows = rows[np.argsort(numbers[rows], kind="stable")]
    _, numbers = np.unique(numbers[rows], return_inverse=True)
    return Repeats(rows.astype(np.int64), numbers.astype(np.int64))


def _near_pairs(texts: list[str], numbers: list[int], compared: Callable[[int], object]) -> list[tuple[int, int]]:
    """Return pairs of near texts, by their numbers."""
    from datasketch import MinHash, MinHashLSH

    hashes = _BANDS * _ROWS
    index = MinHashLSH(num_perm=hashes, params=(_BANDS, _ROWS))
    blank = MinHash(num_perm=hashes, hashfunc=crc32)
    found = []
    for at, text in enumerate(texts):
        runs = _runs(text)
        sketch = blank.copy()  # its hash functions are drawn once
        sketch.update_batch(runs)
        found += [(numbers[other], numbers[at]) for other in index.query(sketch) if _overlap(runs, texts[other])]
        index.insert(at, sketch, check_duplication=False)
        if at % _TOLD == 0:
            compared(at)
    return found


def _runs(text: str) -> set[bytes]:
    return {text[at : at + _RUN].encode("utf-8", "replace") for at in range(max(1, len(text) - _RUN + 1))}


def _overlap(runs: set[bytes], other: str) -> bool:
    others = _runs(other)
    return len(runs & others) >= _NEAR * len(runs | others)


def _root(parents: np.ndarray, number: int) -> int:
    while (parent := int(parents[number])) != number:
        parents[number] = parents[parent]
        number = parent
    return number
