"""Rows in memory become files that are read as any other, and messages name their rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sftkeras.config import DataConfig
from sftkeras.data import DataError, load_file
from sftkeras.data.formats.in_memory import file_of, with_rows_as_files
from sftkeras.data.labels.classes.kind import ONE_LABEL
from sftkeras.errors import SFTError

ROWS = [{"text": "good film", "label": "positive"}, {"text": "bad film", "label": "negative"}]
PAIRS = [tuple(row.values()) for row in ROWS]
LABELS = ("negative", "positive")


@pytest.mark.parametrize("rows", [ROWS, PAIRS, pa.Table.from_pylist(ROWS)], ids=["dictionaries", "pairs", "table"])
def test_rows_are_read_as_those_of_a_file(rows: Any) -> None:
    data = load_file([str(file_of(rows, "test"))], DataConfig(), ONE_LABEL, LABELS)
    assert data.examples.texts(data.splits["test"]) == ["good film", "bad film"]
    assert data.examples.labels.tolist() == [1, 0]


def test_equal_rows_are_one_file_and_others_another() -> None:
    assert file_of(ROWS, "train") == file_of(list(ROWS), "train")
    assert file_of(ROWS, "train") != file_of(ROWS[:1], "train")


@pytest.mark.parametrize("as_table", [False, True])
def test_a_message_names_the_row(as_table: bool) -> None:
    faulty = [*ROWS, {"text": "a film", "label": None}]
    rows = pa.Table.from_pylist(faulty) if as_table else faulty
    with pytest.raises(DataError, match="train row 3"):
        load_file([str(file_of(rows, "train"))], DataConfig(), ONE_LABEL, LABELS)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (7, "SFT121  train: cannot read rows from a int"),
        ([("a", "b", "c")], "SFT122  train: row 1 is of 3 values"),
        ([ROWS[0], 5], "SFT122  train: row 2 is a int"),
    ],
)
def test_what_is_no_row_is_refused(rows: Any, message: str) -> None:
    with pytest.raises(SFTError, match=message):
        file_of(rows, "train")


def test_parts_stand_in_data_or_beside_it_and_files_stay() -> None:
    beside = with_rows_as_files({"train": ROWS, "data": {"test": "test.csv", "bad_rows": "skip"}, "seed": 3})
    assert Path(beside["data"]["train"][0]).name == "train.jsonl"
    assert (beside["data"]["test"], beside["data"]["bad_rows"], beside["seed"]) == ("test.csv", "skip", 3)
    assert with_rows_as_files({"data": ["a.csv", "b.csv"]}) == {"data": {"train": ["a.csv", "b.csv"]}}


def test_nested_values_and_numbers_of_numpy_are_kept() -> None:
    import numpy as np

    row = {"tokens": ["a", "b"], "spans": [{"start": np.int64(0)}], "score": float("nan")}
    assert json.loads(file_of([row], "train").read_text()) == {
        "tokens": ["a", "b"],
        "spans": [{"start": 0}],
        "score": None,
    }


def test_pairs_have_the_columns_that_the_settings_name() -> None:
    made = with_rows_as_files({"data": {"train": PAIRS, "text": "review", "label": "stars"}})
    assert json.loads(Path(made["data"]["train"][0]).read_text().splitlines()[0]) == {
        "review": "good film",
        "stars": "positive",
    }


def test_a_data_set_has_the_names_of_its_classes() -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=list(LABELS))})
    data = datasets.Dataset.from_dict({"text": ["good film", "bad film"], "label": [1, 0]}, features=features)
    assert pa.parquet.read_table(file_of(data, "train")).to_pylist() == ROWS


@pytest.mark.parametrize("labels", [["positive", "negative"], ["positive", 3]], ids=["texts", "of several types"])
def test_a_data_frame_is_read(labels: list[Any]) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"text": ["good film", "bad film"], "label": labels})
    data = load_file([str(file_of(frame, "test"))], DataConfig(), ONE_LABEL, tuple(map(str, labels)))
    assert data.examples.labels.tolist() == [0, 1]


@dataclass
class Unknown:
    """Rows of a kind that is not known."""


def test_rows_of_an_unknown_kind_are_refused() -> None:
    with pytest.raises(SFTError, match=r"SFT121.*Unknown"):
        with_rows_as_files({"train": Unknown()})
