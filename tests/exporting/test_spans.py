"""Rows of spans are filled up to one width, and people see none of the filling."""

from __future__ import annotations

import numpy as np
import pytest

from sftkeras.exporting.answers import records
from sftkeras.exporting.spans import joined, widened

NARROW = {
    "label": np.array([["LOC"], [""]]),
    "score": np.array([[0.5], [0.0]], np.float32),
    "start": np.array([[3], [-1]], np.int32),
    "end": np.array([[4], [-1]], np.int32),
    "text": np.array([["x"], [""]]),
}
WIDE = {
    "label": np.array([["LOC", "PERSON"]]),
    "score": np.array([[0.25, 1.0]], np.float32),
    "start": np.array([[0, 7]], np.int32),
    "end": np.array([[4, 9]], np.int32),
    "text": np.array([["Rome", "Al"]]),
}
ENTITIES = [
    [{"label": "LOC", "score": 0.5, "start": 3, "end": 4, "text": "x"}],
    [],
    [
        {"label": "LOC", "score": 0.25, "start": 0, "end": 4, "text": "Rome"},
        {"label": "PERSON", "score": 1.0, "start": 7, "end": 9, "text": "Al"},
    ],
]


def as_sent(answers: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Strings as a server sends them."""
    return {
        name: np.array([[it.encode() for it in row] for row in array], object) if array.dtype.kind == "U" else array
        for name, array in answers.items()
    }


def test_people_see_no_filling() -> None:
    assert [record["entities"] for record in records(joined([NARROW, WIDE]))] == ENTITIES


def test_batches_of_other_widths_are_joined() -> None:
    found = joined([NARROW, WIDE])
    assert found["start"].tolist() == [[3, -1], [-1, -1], [0, 7]]
    assert found["label"].tolist() == [["LOC", ""], ["", ""], ["LOC", "PERSON"]]
    assert found["score"].dtype == np.float32
    found = joined([as_sent(NARROW), as_sent(WIDE)])
    assert found["text"].tolist() == [[b"x", b""], [b"", b""], [b"Rome", b"Al"]]


def test_no_text_with_an_entity_is_no_trouble() -> None:
    none = {name: array[:, :0] for name, array in NARROW.items()}
    assert [record["entities"] for record in records(none)] == [[], []]
    assert widened(none, 1)["end"].tolist() == [[-1], [-1]]


def test_other_answers_must_have_one_shape() -> None:
    with pytest.raises(ValueError, match="dimension"):
        joined([{"probabilities": np.zeros((1, 2))}, {"probabilities": np.zeros((1, 3))}])
