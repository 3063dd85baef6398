"""Texts that share a long run of words with others: test texts that training has seen, word for word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from sftkeras.evaluation.statistics.words import words

LENGTH = 13
"""Words in a row that two texts hardly share by chance (Brown et al., 2020, arXiv:2005.14165, appendix C)."""


def sharing_ngrams(texts: Sequence[str], others: Iterable[str]) -> np.ndarray:
    """Find the texts that share a run of `LENGTH` words with another; shorter ones, those that equal a whole other.

    Only the runs of `texts` are held in memory; `others` may be as many as there are.

    Returns:
        [texts] bool.
    """
    rows: dict[tuple[str, ...], list[int]] = {}
    for row, text in enumerate(texts):
        for run in _runs(text):
            rows.setdefault(run, []).append(row)
    shared = np.zeros(len(texts), bool)
    for other in others:
        for run in _runs(other):
            if found := rows.pop(run, None):
                shared[found] = True
        if not rows:
            break
    return shared


def _runs(text: str) -> Iterator[tuple[str, ...]]:
    found = words(text)
    for first in range(max(1, len(found) - LENGTH + 1) if found else 0):
        yield tuple(found[first : first + LENGTH])
