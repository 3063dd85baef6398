"""A column of weights is read, checked and kept with the rows; a cell that is no weight is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from sftkeras.config import DataConfig
from sftkeras.data import LabelledData, load_data, load_file, quick_check
from sftkeras.data.labels.classes.kind import ONE_LABEL
from sftkeras.data.storage.weights import read_weights
from sftkeras.errors import SFTError

PutRows = Callable[..., str]
HEADER = ("text", "label", "weight")


def rows(count: int = 40) -> list[tuple[object, ...]]:
    return [(f"text {number}", "ab"[number % 2], number % 4 + 0.5) for number in range(count)]


def load(path: str, **settings: Any) -> LabelledData:
    return load_data(DataConfig(train=path, weight="weight", **settings), ONE_LABEL, seed=1)


def test_each_row_keeps_its_weight(put_rows: PutRows) -> None:
    path = put_rows(rows(), header=HEADER)
    for _ in range(2):  # read, then from the cache
        examples = load(path).examples
        assert examples.weights is not None
        assert examples.weights.dtype == np.float32
        expected = [float(text.split()[1]) % 4 + 0.5 for text in examples.texts(range(40))]
        np.testing.assert_array_equal(examples.weights, expected)


def test_without_the_setting_there_are_no_weights(put_rows: PutRows) -> None:
    path = put_rows(rows(), header=HEADER)
    assert load_data(DataConfig(train=path), ONE_LABEL, seed=1).examples.weights is None
    assert load(path).examples.weights is not None  # another entry of the cache


@pytest.mark.parametrize("cell", ["-1", "nan", "inf", "heavy", "", "1e39"])
def test_a_cell_that_is_no_weight_stops_and_is_named(put_rows: PutRows, cell: str) -> None:
    path = put_rows([*rows(), ("more", "a", cell), ("end", "b", 1)], header=HEADER)
    with pytest.raises(SFTError, match="SFT270") as raised:
        load(path)
    assert "line 42" in str(raised.value)
    assert (f'"{cell}"' if cell else "nothing") in str(raised.value)


def test_a_row_without_weight_is_left_out_with_its_label(put_rows: PutRows) -> None:
    path = put_rows([("odd", "only here", -1), *rows()], header=HEADER)
    data = load(path, bad_rows="skip")
    assert data.label_names == ("a", "b")
    assert data.examples.weights is not None
    np.testing.assert_array_equal(data.examples.weights[:3], [0.5, 1.5, 2.5])
    (found,) = [found for found in data.findings if found.code == "SFT270"]
    assert (found.severity, found.count) == ("warning", 1)


@pytest.mark.parametrize("cells", [["1", 2, 0.5, "0"], [None, True, [1], {"a": 1}, "1_0"], []])
def test_weights_are_numbers_of_zero_or_more(cells: Sequence[Any]) -> None:
    weights, faults = read_weights(cells, "weight")
    assert len(weights) == len(cells)
    assert set(faults) == ({0, 1, 2, 3, 4} if len(cells) == 5 else set())
    assert all(weights[row] == 0 for row in faults)


def test_a_part_of_weight_zero_is_refused(put_rows: PutRows) -> None:
    silent = [(text, label, 0) for text, label, _ in rows()]
    path = put_rows(silent, header=HEADER)
    with pytest.raises(SFTError, match="SFT271") as raised:
        load(path)
    assert "rows to train on have weight 0 in column weight" in str(raised.value)
    loud = put_rows(rows(), name="loud.csv", header=HEADER)
    with pytest.raises(SFTError, match="rows to validate on have weight 0"):
        load(loud, validation=path)


def test_the_test_part_needs_no_weights(put_rows: PutRows) -> None:
    path = put_rows(rows(), header=HEADER)
    other = put_rows([row[:2] for row in rows()], name="test.csv")
    quick_check(DataConfig(train=path, test=other, weight="weight"), ONE_LABEL)
    data = load(path, test=other)
    assert data.examples.weights is not None
    np.testing.assert_array_equal(data.examples.weights[40:], np.ones(40))
    judged = load_file(other, DataConfig(train=path, weight="weight"), ONE_LABEL, ("a", "b"))
    assert len(judged.splits["test"]) == 40


def test_a_column_that_is_missing_is_named_at_once(put_rows: PutRows) -> None:
    path = put_rows(rows(), header=("text", "label", "wieght"))
    with pytest.raises(SFTError, match="SFT204") as raised:
        quick_check(DataConfig(train=path, weight="weight"), ONE_LABEL)
    assert "--data.weight" in str(raised.value)
    assert 'Did you mean "wieght"?' in str(raised.value)
