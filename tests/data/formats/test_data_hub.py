"""Data sets of the Hugging Face hub, through a stand-in for the `datasets` library."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from sftkeras.config import DataConfig
from sftkeras.data import load_data
from sftkeras.data.formats.sources import HubName, find_source
from sftkeras.data.labels.classes.kind import ONE_LABEL
from sftkeras.data.labels.spans.kind import ENTITIES
from sftkeras.errors import SFTError


class DataSet:
    """The part of `datasets.Dataset` that is used."""

    def __init__(self, table: pa.Table, file: Path, features: dict[str, Any]) -> None:
        self._table = table
        self.features = features
        self.column_names = table.column_names
        self.cache_files = [{"filename": str(file)}]

    def __len__(self) -> int:
        return self._table.num_rows

    def with_format(self, name: str) -> DataSet:
        assert name == "arrow"
        return self

    def iter(self, size: int) -> Iterator[pa.Table]:
        for begin in range(0, len(self), size):
            yield self._table.slice(begin, size)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    file = tmp_path / "data.arrow"
    file.write_bytes(b"content")
    table = pa.table({"text": [f"t{number}" for number in range(40)], "label": [number % 2 for number in range(40)]})
    features = {"text": SimpleNamespace(), "label": SimpleNamespace(names=["neg", "pos"])}
    words = pa.table({"tokens": [[f"Ann{n}", "Rome"] for n in range(40)], "ner_tags": [[1, 2], [1, 0]] * 20})
    tags = SimpleNamespace(feature=SimpleNamespace(names=["O", "B-PER", "B-LOC"]))
    calls: list[Any] = []

    def load_dataset(name: str, config: str | None, *, split: str, revision: str | None) -> DataSet:
        if name == "org/missing":
            raise FileNotFoundError("Dataset 'org/missing' doesn't exist on the Hub")
        calls.append((name, config, split, revision))
        if name == "org/words":
            return DataSet(words, file, {"tokens": SimpleNamespace(feature=SimpleNamespace()), "ner_tags": tags})
        return DataSet(table, file, features)

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    return calls


def test_a_hub_data_set_is_read_with_the_names_of_its_labels(asked: list[Any]) -> None:
    data = load_data(DataConfig(train="hf://org/name@v1:train[:40]"), ONE_LABEL, seed=1)
    assert asked[0] == ("org/name", None, "train[:40]", "v1")
    assert data.label_names == ("neg", "pos")
    assert data.examples.texts([3]) == ["t3"]
    assert data.examples.places([3]) == [("hf://org/name@v1:train[:40]", 4)]


def test_tags_of_words_have_the_names_of_the_data_set(asked: list[Any]) -> None:
    data = load_data(DataConfig(train="hf://org/words"), ENTITIES, seed=1)
    assert data.label_names == ("LOC", "PER")
    assert [spans.tolist() for spans in data.examples.labels[:2]] == [[[0, 4, 1], [5, 9, 0]], [[0, 4, 1]]]


@pytest.mark.parametrize(
    ("handle", "expected"),
    [
        ("hf://org/name", HubName("org/name", None, None, "test")),
        ("hf://org/name:train", HubName("org/name", None, None, "train")),
        ("hf://nyu-mll/glue/sst2@main:validation", HubName("nyu-mll/glue", "sst2", "main", "validation")),
    ],
)
def test_the_split_is_that_of_the_part_if_none_is_named(handle: str, expected: HubName) -> None:
    assert find_source(handle, "test").hub == expected


def test_a_missing_column_of_a_hub_data_set_is_named(asked: list[Any]) -> None:
    with pytest.raises(SFTError, match="SFT204"):
        load_data(DataConfig(train="hf://org/name", label="sentiment"), ONE_LABEL, seed=1)


def test_what_the_library_says_is_passed_on(asked: list[Any]) -> None:
    with pytest.raises(SFTError, match=r"SFT234 .*doesn't exist on the Hub"):
        load_data(DataConfig(train="hf://org/missing"), ONE_LABEL, seed=1)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(SFTError, match=r"SFT107 .*pip install 'sftkeras\[hub\]'"):
        load_data(DataConfig(train="hf://org/name"), ONE_LABEL, seed=1)
