"""The split: right shares in each class, no text in two parts, the same whatever the order of the rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftkeras.config import DataConfig
from sftkeras.data import load_data
from sftkeras.data.checks.repeats import find_repeats
from sftkeras.data.labels.classes.kind import ONE_LABEL
from sftkeras.data.labels.classes.label_sets import strata_of_sets
from sftkeras.data.labels.numbers.kind import strata_of_numbers
from sftkeras.data.split import UNUSED, split_rows
from sftkeras.errors import SFTError

PutRows = Callable[..., str]
SHARES = [0.8, 0.1, 0.1]


def hashes_of(texts: np.ndarray) -> np.ndarray:
    """Any injective map to 64 well-spread bits."""
    return np.asarray(texts, np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(12345)


def divide(texts: Any, strata: Any, shares: list[float] = SHARES, seed: int = 1) -> np.ndarray:
    hashes = hashes_of(np.asarray(texts))
    return split_rows(hashes, np.asarray(strata, np.int32), find_repeats(hashes), shares, seed)


shares_lists = st.lists(st.integers(1, 20), min_size=2, max_size=3).map(
    lambda parts: [part / (sum(parts) * 1.25) for part in parts]
)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=12), st.sampled_from([SHARES, [0.5, 0.5], [0.6, 0.2, 0.1]]))
def test_each_class_has_its_shares_to_within_a_row(sizes: list[int], shares: list[float]) -> None:
    strata = np.repeat(np.arange(len(sizes)), sizes)
    parts = divide(np.arange(len(strata)), strata, shares)
    for stratum, size in enumerate(sizes):
        for part, share in enumerate(shares):
            assert abs(np.sum(parts[strata == stratum] == part) - share * size) <= 1
        assert np.sum(parts[strata == stratum] == 0) >= 1


def test_many_small_classes_still_give_the_parts_their_shares() -> None:
    strata = np.repeat(np.arange(200), 4)  # no class can give a row to each part
    parts = divide(np.arange(len(strata)), strata)
    assert np.bincount(parts).tolist() == [640, 80, 80]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), min_size=1, max_size=150), shares_lists)
def test_a_text_is_never_in_two_parts_and_every_row_is_placed(rows: list[tuple[int, int]], shares: list[float]) -> None:
    texts, strata = np.array(rows).T
    parts = divide(texts, strata, shares)
    assert set(parts.tolist()) <= {*range(len(shares)), UNUSED}
    for text in np.unique(texts):
        assert len(set(parts[texts == text].tolist())) == 1


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 2)), min_size=1, max_size=100), st.randoms())
def test_the_order_of_the_rows_is_of_no_account(rows: list[tuple[int, int]], random: Any) -> None:
    shuffled = random.sample(rows, len(rows))

    def placed(rows: list[tuple[int, int]]) -> dict[int, int]:
        texts, strata = np.array(rows).T
        return dict(zip(texts.tolist(), divide(texts, strata).tolist(), strict=True))

    assert placed(rows) == placed(shuffled)


def test_seeds_divide_differently_and_one_seed_alike() -> None:
    texts, strata = np.arange(1000), np.arange(1000) % 2
    assert np.array_equal(divide(texts, strata), divide(texts, strata))
    agreement = np.mean(divide(texts, strata) == divide(texts, strata, seed=2))
    assert 0.6 < agreement < 0.72  # by chance 0.8² + 0.1² + 0.1²


def test_texts_that_all_occur_twice_keep_the_shares() -> None:
    texts = np.repeat(np.arange(500), 2)
    assert np.bincount(divide(texts, texts % 2)).tolist() == pytest.approx([800, 100, 100], abs=4)


def test_a_text_that_fills_most_of_a_class_stays_whole() -> None:
    texts = np.concatenate([np.zeros(90, int), np.arange(1, 11)])
    parts = divide(texts, np.zeros(100, int))
    assert len(set(parts[:90].tolist())) == 1
    assert np.sum(parts == 0) >= 90


def test_rows_that_no_share_covers_are_unused() -> None:
    parts = divide(np.arange(1000), np.arange(1000) % 2, [0.1, 0.1, 0.1])
    assert np.sum(parts == UNUSED) == 700


def test_numbers_are_divided_alike_along_their_range() -> None:
    numbers = np.random.default_rng(0).lognormal(size=2000).astype(np.float32)
    parts = divide(np.arange(2000), strata_of_numbers(numbers))
    for decile in np.split(np.argsort(numbers), 10):
        assert np.sum(parts[decile] == 2) == pytest.approx(20, abs=1)


def test_rare_label_sets_are_divided_by_their_rarest_label() -> None:
    sets = [(), (0,), (0, 1), (1, 2)]
    assert strata_of_sets(np.repeat([0, 1, 2, 3], [20, 30, 5, 4]), sets)[[0, 20, 50, 55]].tolist() == [0, 1, 2, 3]
    sets = [(0,), (0, 1), (0, 1, 2), (1,)]
    strata = strata_of_sets(np.repeat([0, 1, 2, 3], [30, 5, 5, 3]), sets)
    assert strata[30] == strata[40] != strata[35]  # {0, 1} and {1} by label 1, {0, 1, 2} by label 2


@given(st.lists(st.integers(0, 40), max_size=200))
def test_repeats_are_the_rows_whose_text_occurs_again(texts: list[int]) -> None:
    repeats = find_repeats(hashes_of(np.array(texts, np.int64)))
    groups: dict[int, list[int]] = {}
    for row, text in enumerate(texts):
        groups.setdefault(text, []).append(row)
    expected = sorted(rows for rows in groups.values() if len(rows) > 1)
    found = [repeats.rows[repeats.groups == group].tolist() for group in range(len(repeats))]
    assert sorted(found) == expected


def test_hashes_that_agree_in_one_half_only_are_not_taken_for_equal() -> None:
    high = np.uint64(7) << np.uint64(32)
    repeats = find_repeats(np.array([high | np.uint64(low) for low in (1, 2, 1, 3)], np.uint64))
    assert repeats.rows.tolist() == [0, 2]


# --- through the settings ---


def load(train: str, **settings: Any) -> dict[str, int]:
    data = load_data(DataConfig(train=train, **settings), ONE_LABEL, seed=1)
    parts = np.concatenate(list(data.splits.values()))
    assert len(np.unique(parts)) == len(parts)
    return {part: len(rows) for part, rows in data.splits.items()}


ROWS = [(f"text {number}", "ab"[number % 2]) for number in range(100)]
MORE = [(f"more {number}", "ab"[number % 2]) for number in range(10)]


def test_parts_without_a_file_are_taken_from_train(put_rows: PutRows) -> None:
    train, other = put_rows(ROWS), put_rows(MORE, "other.csv")
    assert load(train) == {"train": 80, "validation": 10, "test": 10}
    assert load(train, test=other) == {"train": 90, "validation": 10, "test": 10}
    assert load(train, validation=other) == {"train": 90, "validation": 10, "test": 10}
    assert load(train, validation=other, test=put_rows(MORE[:4], "third.csv")) == {
        "train": 100,
        "validation": 10,
        "test": 4,
    }


def test_unused_rows_are_announced(put_rows: PutRows) -> None:
    data = load_data(DataConfig(train=put_rows(ROWS), split=[0.5, 0.1, 0.1]), ONE_LABEL, seed=1)
    assert [found.code for found in data.findings] == ["SFT237"]
    assert data.findings[0].count == 30


@pytest.mark.parametrize("split", [[0.8, 0.2], [0.8, 0.2, 0.2], [0.9, 0.1, 0.0], [0.0, 0.5, 0.5]])
def test_shares_that_cannot_be_used_are_refused(put_rows: PutRows, split: list[float]) -> None:
    with pytest.raises(SFTError, match="SFT231"):
        load(put_rows(ROWS), split=split)


def test_a_part_that_would_be_empty_is_refused(put_rows: PutRows) -> None:
    with pytest.raises(SFTError, match=r"SFT232 .*part would be empty: 4 rows"):
        load(put_rows(ROWS[:4]))


def test_the_fingerprint_follows_all_that_decides_the_parts(put_rows: PutRows) -> None:
    path = put_rows(ROWS)

    def fingerprint(seed: int = 1, **settings: Any) -> str:
        return load_data(DataConfig(train=path, **settings), ONE_LABEL, seed=seed).fingerprint

    first = fingerprint()
    assert fingerprint() == first
    others = [fingerprint(seed=2), fingerprint(split=[0.7, 0.2, 0.1]), fingerprint(label_names={"a": "A", "b": "B"})]
    put_rows([*ROWS[:-1], ("changed", "b")])
    others.append(fingerprint())
    assert len({first, *others}) == 5
