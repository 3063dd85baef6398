"""Rows of several data sets as those of one: a row is what it was in its own set."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sftkeras.config import DataConfig
from sftkeras.data import RawTexts, Variants, load_file
from sftkeras.data.labels.classes.kind import ONE_LABEL
from sftkeras.data.storage.joined import LearnedRows, joined
from sftkeras.data.storage.teacher_outputs import find_teacher_outputs, joined_rows


def learned(put_rows: Callable[..., str], texts: list[str], **others: object) -> LearnedRows:
    file = put_rows([(text, "ab"[number % 2]) for number, text in enumerate(texts)])
    examples = load_file(file, DataConfig(), ONE_LABEL, ("a", "b")).examples
    settings: dict = {"inputs": RawTexts(examples, "text"), "labels": examples.labels, **others}
    return LearnedRows(rows=np.arange(1, len(texts), dtype=np.int32), **settings)


def test_a_row_has_the_inputs_and_the_label_of_its_own_set(put_rows: Callable[..., str]) -> None:
    rows, pool = joined([learned(put_rows, ["one", "two two", "x"]), learned(put_rows, ["four", "five five five"])])
    assert rows.rows.tolist() == [1, 2]
    assert pool.tolist() == [4]
    assert rows.inputs.lengths.tolist() == [1, 2, 1, 1, 3]
    wanted = np.array([4, 0, 2, 3])
    assert rows.inputs.at(0).batch(wanted, 8)["text"].tolist() == ["five five five", "one", "x", "four"]  # type: ignore[union-attr]
    assert [int(label) for label in rows.labels[wanted]] == [1, 0, 0, 0]
    assert rows.weights is None


def test_a_set_without_weights_counts_one_a_row(put_rows: Callable[..., str]) -> None:
    rows, _ = joined([learned(put_rows, ["a", "b"]), learned(put_rows, ["c", "d"], weights=np.float32([2, 3]))])
    assert rows.weights is not None
    assert rows.weights.tolist() == [1, 1, 2, 3]


def test_only_the_first_set_changes_with_the_epoch(put_rows: Callable[..., str]) -> None:
    own = learned(put_rows, ["a", "b"])
    changed = learned(put_rows, ["a a", "b b"])
    rows, _ = joined([LearnedRows(Variants([own.inputs, changed.inputs]), own.rows, own.labels), own])  # type: ignore[list-item]
    assert rows.inputs.lengths.tolist() == [[1, 1, 1, 1], [2, 2, 1, 1]]
    assert rows.inputs.at(1).batch(np.array([2, 1]), 8)["text"].tolist() == ["a", "b b"]  # type: ignore[union-attr]


def test_a_teacher_gives_of_each_row_what_it_gave_in_its_own_set(put_rows: Callable[..., str]) -> None:
    def outputs(name: str, values: list[float]) -> list:
        given = (np.array([0, 1]), np.float32([values]).T, None)
        return [find_teacher_outputs({"joined": name}, lambda: iter([given]), np.dtype(np.float32))]

    first = learned(put_rows, ["a", "b"], given=outputs("first", [1, 2]))
    rows, _ = joined([first, learned(put_rows, ["c", "d"], given=outputs("second", [3, 4]))])
    given = joined_rows(rows.given[0].of_rows(np.array([3, 0, 2])), None)
    assert given == pytest.approx(np.array([[4], [1], [3]]))
