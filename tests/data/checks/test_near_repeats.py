"""Texts that are nearly the same are found among many, and different ones are not."""

from __future__ import annotations

import random

import pytest

from sftkeras.data.checks import near_repeats
from sftkeras.data.checks.near_repeats import near_groups, repeats_of

TEXTS = [
    "How much is a ticket to the museum on Sundays?",
    "Where can I leave my suitcase while I visit the museum?",
    "how much is a ticket to the museum on sundays",
    "How much is a ticket to the museum on Sunday?",
    "这张票多少钱？",
    "How much is a ticket for the bus?",
    "这张票多少钱",
]


def test_near_texts_are_in_one_group() -> None:
    assert near_groups(TEXTS).tolist() == [0, 1, 0, 0, 4, 5, 4]


def test_groups_of_one_are_no_repeats() -> None:
    repeats = repeats_of(near_groups(TEXTS))
    assert repeats.rows.tolist() == [0, 2, 3, 4, 6]
    assert repeats.groups.tolist() == [0, 0, 0, 1, 1]
    assert len(repeats_of(near_groups(["a", "b"]))) == 0


def test_a_changed_letter_is_found_among_many_texts() -> None:
    draw = random.Random(3)
    texts = [" ".join("".join(draw.choices("abcdefgh", k=5)) for _ in range(20)) for _ in range(200)]
    changed = [text[:40] + "x" + text[41:] for text in texts]
    groups = near_groups([*texts, *changed])
    assert sum(groups[row] == groups[200 + row] for row in range(200)) > 195
    assert near_groups(texts).tolist() == list(range(200))


def test_beyond_a_limit_only_equal_texts_are_grouped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_repeats, "MOST_TEXTS", 3)
    assert near_groups(TEXTS).tolist() == [0, 1, 0, 3, 4, 5, 4]
