"""Conversations that are too long lose whole turns from their beginning, and no more than they must."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sftkeras.text.features.fitting import shortened


class Turns:
    """Rows are turns with a bar between; each letter is a token."""

    fingerprint = "turns"

    def __call__(self, texts: Sequence[str], without: Sequence[int] | None = None) -> list[str]:
        counts = without or [0] * len(texts)
        return ["|".join(text.split("|")[count:]) for text, count in zip(texts, counts, strict=True)]

    def spare_turns(self, texts: Sequence[str]) -> list[int]:
        return [text.count("|") for text in texts]


def lengths_of(marked: list[str]) -> np.ndarray:
    return np.array([len(text) for text in marked])


@given(
    st.lists(st.lists(st.text("ab", max_size=8), min_size=1, max_size=9).map("|".join), min_size=1), st.integers(1, 30)
)
def test_as_few_turns_are_left_out_as_will_do(texts: list[str], most: int) -> None:
    long = [text for text in texts if len(text) > most]
    for text, kept in zip(long, shortened(long, Turns(), lengths_of, most), strict=True):
        turns = text.split("|")
        fitting = ["|".join(turns[count:]) for count in range(1, len(turns)) if len("|".join(turns[count:])) <= most]
        assert kept == (fitting[0] if fitting else turns[-1])
