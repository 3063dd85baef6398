"""Limits of the strings at which a text ends: how many a request may name, and their length. Imports no TensorFlow.

Longer ones would fill the memory of `sftkeras.generation.stopping`, which compares every place of a text with each.
"""

from __future__ import annotations

from collections.abc import Iterable

MOST_STRINGS = 16
MOST_BYTES = 256  # of one, in UTF-8


def too_long(stops: Iterable[str]) -> bool:
    """Say whether one of the strings has more than `MOST_BYTES`."""
    return any(len(stop.encode("utf-8", "replace")) > MOST_BYTES for stop in stops)
