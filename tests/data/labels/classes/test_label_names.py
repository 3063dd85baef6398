"""Which labels there are: names given or found, numbers written with and without a point."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sftkeras.config import DataConfig
from sftkeras.data import LabelledData, load_data, load_file
from sftkeras.data.labels.classes.kind import ONE_LABEL, SEVERAL_LABELS
from sftkeras.errors import SFTError

PutRows = Callable[..., str]
Put = Callable[[str, str | bytes], str]


def load(train: str, kind: Any = ONE_LABEL, **settings: Any) -> LabelledData:
    return load_data(DataConfig(train=train, **settings), kind, seed=1)


def rows_of(labels: list[Any], count: int = 30) -> list[tuple[str, Any]]:
    return [(f"text {number}", labels[number % len(labels)]) for number in range(count)]


def labels_of(data: LabelledData) -> list[str]:
    """The label of each row, in words."""
    return [data.examples.label_text(row) for row in range(len(data.examples))]


@pytest.mark.parametrize(("train", "test"), [("1.0", "1"), ("1", "1.0"), ("-2.00", "-2")])
def test_a_whole_number_is_one_label_in_all_files_however_it_is_written(
    put_rows: PutRows, train: str, test: str
) -> None:
    files = put_rows(rows_of([train, "0.0"])), put_rows([("new", test), ("newer", "0")], "test.csv")
    data = load(files[0], test=files[1])
    assert len(data.label_names) == 2
    assert labels_of(data)[-2:] == [f'"{min(train, test, key=len)}"', '"0"']


def test_numbers_that_are_written_alike_keep_their_writing(put_rows: PutRows) -> None:
    assert load(put_rows(rows_of(["1.0", "2.0", "2.5"]))).label_names == ("1.0", "2.0", "2.5")


def test_both_writings_in_one_set_are_one_label(put_rows: PutRows) -> None:
    data = load(put_rows(rows_of(["5|5.0", "5.0|7", "7"])), SEVERAL_LABELS)
    assert data.label_names == ("5", "7")
    assert labels_of(data)[:3] == ['"5"', '"5", "7"', '"7"']
    assert data.examples.label_sets == [(0,), (0, 1), (1,)]


@pytest.mark.parametrize("cells", [["0", "1"], ["0.0", "1.0"], [0, 1], [0.0, 1.0]])
@pytest.mark.parametrize("names", [{"0": "no", "1": "yes"}, {"0.0": "no", "1.0": "yes"}])
def test_names_are_for_numbers_however_they_are_written(put: Put, cells: list[Any], names: dict[str, str]) -> None:
    lines = [json.dumps({"text": text, "label": label}) for text, label in rows_of(cells)]
    data = load(put("a.jsonl", "\n".join(lines)), label_names=names)
    assert (data.label_names, labels_of(data)[:2]) == (("no", "yes"), ['"no"', '"yes"'])


def test_a_model_knows_its_labels_in_the_other_writing(put_rows: PutRows) -> None:
    path = put_rows(rows_of(["1", "0"]))
    data = load_file(path, DataConfig(train=path), ONE_LABEL, ["0.0", "1.0"])
    assert (data.label_names, labels_of(data)[:2]) == (("0.0", "1.0"), ['"1.0"', '"0.0"'])


@pytest.mark.parametrize("year", ["2020", "2020.0"])
def test_rows_are_kept_by_a_number_however_it_is_written(put: Put, year: str) -> None:
    rows = [{"text": text, "label": label, "year": 2020.0 + at % 2} for at, (text, label) in enumerate(rows_of("aab"))]
    path = put("a.jsonl", "\n".join(map(json.dumps, rows)))
    assert len(load(path, where={"year": year}).examples) == 15


def test_corrected_names_are_not_answered_from_the_cache(put_rows: PutRows) -> None:
    path = put_rows(rows_of(["1", "true"]))
    names: Any = {True: "yes"}
    with pytest.raises(SFTError, match="SFT215"):
        load(path, label_names=names)
    assert load(path, label_names={"true": "yes", "1": "one"}).label_names == ("one", "yes")


def test_rows_without_the_wanted_value_name_the_empty_ones_too(put: Put) -> None:
    path = put("a.jsonl", '{"text": "a", "label": "b", "year": null}\n')
    with pytest.raises(SFTError, match=r"SFT230 .* year=2020 .* Values seen: year=\."):
        load(path, where={"year": "2020"})


@pytest.mark.parametrize("kind", [ONE_LABEL, SEVERAL_LABELS])
def test_an_empty_name_is_refused(put_rows: PutRows, kind: Any) -> None:
    with pytest.raises(SFTError, match=r'SFT102  --data\.label_names: "0" gets an empty name\.'):
        load(put_rows(rows_of(["0", "1"])), kind, label_names={"0": " ", "1": "yes"})
