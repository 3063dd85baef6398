"""Records of answers in files: whole, in the format of the ending, and readable again."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from sftkeras.errors import SFTError
from sftkeras.prediction import files
from sftkeras.tasks.predictions import Predictions, Record, predictions_by_task

ANY = Predictions()
SPAN = {"label": "PER", "score": 0.5, "start": 0, "end": 3, "text": "Ann"}


def write_records(records: list[Record], path: Path, predictions: Predictions = ANY) -> None:
    files.write_records(records, path, predictions)


def test_cells_of_tables_hold_what_json_lines_hold(tmp_path: Path) -> None:
    record = {"id": 7, "text": 'a "b"\n,c', "none": None, "yes": True, "labels": ["x", "y"], "entities": [SPAN]}
    write_records([record], tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["text"], row["none"]) == (record["text"], "")
    assert {name: json.loads(row[name]) for name in ("id", "yes", "labels", "entities")} == {
        name: record[name] for name in ("id", "yes", "labels", "entities")
    }


@pytest.mark.parametrize(
    ("kind", "first", "later"),
    [
        ("tagging", {"entities": []}, {"entities": [SPAN]}),
        ("classification", {"labels": []}, {"labels": ["x"]}),
        ("masked_lm", {"masks": []}, {"masks": [[{"token": "a", "probability": 0.5}]]}),
        ("regression", {"note": None}, {"note": "seen"}),
    ],
)
def test_lists_that_are_empty_at_first_fill_later(tmp_path: Path, kind: str, first: dict, later: dict) -> None:
    write_records([*[first] * 4096, later], tmp_path / "a.parquet", predictions_by_task()[kind])
    row = pq.read_table(tmp_path / "a.parquet").slice(4096).to_pylist()[0]
    assert {name: row[name] for name in later} == later


def test_texts_with_masks_and_without_have_the_columns_of_both(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"masks": []}, {"masks": [], "perplexity": 2.0, "hidden": ["a"]}]
    for records in (rows, rows[:1]):
        write_records(records, tmp_path / "a.csv", predictions_by_task()["masked_lm"])
        assert (tmp_path / "a.csv").read_text().splitlines()[0] == "masks,perplexity,hidden"


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_column_that_comes_too_late_for_a_table_is_refused_and_nothing_is_left(tmp_path: Path, ending: str) -> None:
    with pytest.raises(SFTError, match=r"SFT655 .*record 4,097, there is a new column, b"):
        write_records([*[{"a": 1}] * 4096, {"a": 1, "b": 2}], tmp_path / f"a.{ending}")
    assert list(tmp_path.iterdir()) == []


def test_a_type_that_changes_is_refused_for_parquet_alone(tmp_path: Path) -> None:
    for records in ([{"a": 1}, {"a": "x"}], [*[{"a": 1}] * 4096, {"a": "x"}]):
        with pytest.raises(SFTError, match="SFT655"):
            write_records(records, tmp_path / "a.parquet")
        write_records(records, tmp_path / "a.csv")


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "tsv", "parquet"])
def test_no_answers_make_a_file_too(tmp_path: Path, ending: str) -> None:
    write_records([], tmp_path / f"a.{ending}")
    assert (tmp_path / f"a.{ending}").exists()
