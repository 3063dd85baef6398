"""Labels numbered anew, as those of a model that knows others too: each row keeps what it has, by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sftkeras.config import DataConfig
from sftkeras.data import LabelledData, load_data
from sftkeras.data.labels.classes.kind import ONE_LABEL, SEVERAL_LABELS
from sftkeras.data.labels.spans.kind import ENTITIES

TEXTS = [f"film number {number}" for number in range(12)]
ROWS: dict[str, tuple[Any, list[Any]]] = {
    "class": (ONE_LABEL, ["good", "bad"] * 6),
    "classes": (SEVERAL_LABELS, [["good", "bad"][row % 3 :] for row in range(12)]),
    "spans": (ENTITIES, [[[0, 4, "good"], [5, 11, "bad"]][row % 3 :] for row in range(12)]),
}


def words(data: LabelledData) -> list[str]:
    return [data.examples.label_text(row) for row in range(len(data.examples))]


@pytest.fixture(params=ROWS)
def data(request: pytest.FixtureRequest, tmp_path: Path) -> LabelledData:
    kind, labels = ROWS[request.param]
    lines = [json.dumps({"text": text, "label": label}) for text, label in zip(TEXTS, labels, strict=True)]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    return load_data(DataConfig(train=str(tmp_path / "rows.jsonl"), split=[0.5, 0.25, 0.25]), kind, seed=1)


def test_labels_keep_their_names_and_get_the_numbers_of_others(data: LabelledData) -> None:
    assert data.label_names == ("bad", "good")
    other = data.with_labels_first(["odd", "good"])
    assert other.label_names == other.examples.label_names == ("odd", "good", "bad")
    assert [sorted(text.split(", ")) for text in words(other)] == [sorted(text.split(", ")) for text in words(data)]
    kind = data.label_kind
    before, after = (kind.class_numbers(one.examples.labels[:3]) for one in (data, other))
    if kind is ONE_LABEL:
        assert [data.label_names[label] for label in before] == [other.label_names[label] for label in after]
    else:
        assert after.tolist() == [[0, row[1], row[0]] for row in before.tolist()]


def test_the_parts_stay_and_equal_names_change_nothing(data: LabelledData) -> None:
    assert data.with_labels_first(["bad"]).examples is data.examples
    other = data.with_labels_first(["good"])
    assert {part: rows.tolist() for part, rows in other.splits.items()} == {
        part: rows.tolist() for part, rows in data.splits.items()
    }
    rows = data.splits["test"]
    assert other.examples.rows_fingerprint(rows) != data.examples.rows_fingerprint(rows)


def test_rows_whose_texts_are_elsewhere_are_left_out_of_a_part(data: LabelledData) -> None:
    train = data.splits["train"]
    fewer = data.without("train", data.examples.hashes[train[:2]])
    assert fewer.splits["train"].tolist() == train[2:].tolist()
    assert len(fewer.text_hashes("validation", "test")) == len(data.splits["validation"]) + len(data.splits["test"])
