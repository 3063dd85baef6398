"""Answers of several widths are filled up to one as the tasks fill them up, whoever puts them together."""

from __future__ import annotations

import numpy as np
import pytest
from test_spans import NARROW, WIDE

from sftkeras.tasks.padding import joined, stacked, widened


def as_sent(answers: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Strings as a server sends them."""
    return {
        name: np.vectorize(str.encode, otypes=[object])(array) if array.dtype.kind == "U" else array
        for name, array in answers.items()
    }


def test_batches_of_other_widths_are_joined() -> None:
    found = joined([NARROW, WIDE])
    assert found["start"].tolist() == [[3, -1], [-1, -1], [0, 7]]
    assert found["label"].tolist() == [["LOC", ""], ["", ""], ["LOC", "PERSON"]]
    assert found["score"].dtype == np.float32
    found = joined([as_sent(NARROW), as_sent(WIDE)])
    assert found["text"].tolist() == [[b"x", b""], [b"", b""], [b"Rome", b"Al"]]


def test_no_row_with_anything_in_it_is_no_trouble() -> None:
    none = {name: array[:, :0] for name, array in NARROW.items()}
    assert widened(none, 1)["end"].tolist() == [[-1], [-1]]
    assert joined([none, WIDE])["text"].tolist() == [["", ""], ["", ""], ["Rome", "Al"]]


def test_other_answers_must_have_one_shape() -> None:
    with pytest.raises(ValueError, match="dimension"):
        joined([{"probabilities": np.zeros((1, 2))}, {"probabilities": np.zeros((1, 3))}])


@pytest.mark.parametrize(
    ("narrow", "wide", "expected"),
    [
        (np.array([[b""]], object), np.array([[b"a", b"b"]], object), [[b"", b""], [b"a", b"b"]]),
        (np.array([["x"]], object), np.array([["a", "b"]], object), [["x", ""], ["a", "b"]]),
        (np.zeros((1, 0), object), np.array([["a"]], object), [[""], ["a"]]),
        (np.array([["x"]]), np.array([["long", "b"]]), [["x", ""], ["long", "b"]]),
        (np.array([[0]], np.int32), np.array([[4, 5]], np.int32), [[0, -1], [4, 5]]),
        (np.array([[3]], np.uint8), np.array([[4, 5]], np.uint8), [[3, 0], [4, 5]]),
        (np.array([[0.5]], np.float32), np.array([[1, 2]], np.float32), [[0.5, 0.0], [1.0, 2.0]]),
        (np.array([[True]]), np.array([[True, True]]), [[True, False], [True, True]]),
        (np.ones((1, 1, 2)), np.ones((1, 2, 1)), [[[1, 1], [0, 0]], [[1, 0], [1, 0]]]),
    ],
)
def test_what_fills_up_is_nothing_of_its_type(narrow: np.ndarray, wide: np.ndarray, expected: list) -> None:
    found = stacked([narrow, wide])
    assert found.tolist() == expected
    assert found.dtype == np.result_type(narrow, wide)


def test_inputs_are_filled_up_with_zeros() -> None:
    assert stacked([np.array([[7]]), np.array([[8, 9]])], whole_number=0).tolist() == [[7, 0], [8, 9]]
