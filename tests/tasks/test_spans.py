"""Rows of spans, of which people see none of the filling."""

from __future__ import annotations

import numpy as np

from sftkeras.tasks.padding import joined
from sftkeras.tasks.predictions import records

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


def test_people_see_no_filling() -> None:
    assert [record["entities"] for record in records(joined([NARROW, WIDE]))] == ENTITIES


def test_no_text_with_an_entity_is_no_trouble() -> None:
    none = {name: array[:, :0] for name, array in NARROW.items()}
    assert [record["entities"] for record in records(none)] == [[], []]
