"""Rows have one fingerprint wherever they stand: it says whether two models were evaluated on the same rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sftkeras.config import DataConfig
from sftkeras.data import load_data, load_file
from sftkeras.data.labels.classes.kind import ONE_LABEL, SEVERAL_LABELS
from sftkeras.data.labels.numbers.kind import NUMBERS

PutRows = Callable[..., str]

TRAINING = [(f"training text {row}", label) for row, label in enumerate(["a", "b", "c", "a|b"] * 10)]
TEST = [("first", "a"), ("second", "b|c"), ("third", "b"), ("fourth", "a|b|c")]


def fingerprint_in_run(put_rows: PutRows, test: list[Any], training: list[Any] = TRAINING) -> str:
    data = DataConfig(train=put_rows(training, "train.csv"), test=put_rows(test, "test.csv"))
    loaded = load_data(data, SEVERAL_LABELS, seed=1)
    return loaded.examples.rows_fingerprint(loaded.splits["test"])


def test_the_other_rows_of_the_files_do_not_matter(put_rows: PutRows) -> None:
    known = fingerprint_in_run(put_rows, TEST)
    assert fingerprint_in_run(put_rows, TEST, TRAINING[::-1]) == known
    alone = load_file(put_rows(TEST, "test.csv"), DataConfig(), SEVERAL_LABELS, ("a", "b", "c"))
    assert alone.examples.rows_fingerprint(alone.splits["test"]) == known


@pytest.mark.parametrize(
    "changed",
    [TEST[:3], [*TEST[:3], ("fourth", "a|b")], [*TEST[:3], ("another", "a|b|c")], TEST[::-1]],
    ids=["fewer rows", "a label", "a text", "the order"],
)
def test_other_rows_have_another(changed: list[Any], put_rows: PutRows) -> None:
    assert fingerprint_in_run(put_rows, changed) != fingerprint_in_run(put_rows, TEST)


@pytest.mark.parametrize(("kind", "labels", "other"), [(ONE_LABEL, "aab", "abb"), (NUMBERS, "112", "122")])
def test_single_labels_and_numbers_count_too(kind: Any, labels: str, other: str, put_rows: PutRows) -> None:
    found = []
    for name, cells in (("one.csv", labels), ("two.csv", labels), ("three.csv", other)):
        rows = [(f"text {row}", label) for row, label in enumerate(cells)]
        data = load_file(put_rows(rows, name), DataConfig(), kind, ("a", "b") if kind is ONE_LABEL else ())
        found.append(data.examples.rows_fingerprint(data.splits["test"]))
    assert found[0] == found[1] != found[2]
