"""Outputs of a teacher on disk: of rows in any order, and of tokens with padding."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sftkeras.data.storage.teacher_outputs import GivenRows, find_teacher_outputs


def test_rows_come_back_in_the_order_they_are_asked_for_and_are_computed_once() -> None:
    asked = []

    def give() -> GivenRows:
        asked.append(1)
        yield np.array([5, 2]), np.array([[5.0, 50], [2, 20]])
        yield np.array([9]), np.array([[9.0, 90]])

    for _ in range(2):
        outputs = find_teacher_outputs({"rows": "by row"}, give)
        found = outputs.batch(np.array([9, 5]), 8)
        np.testing.assert_array_equal(found, np.array([[9, 90], [5, 50]], np.float32), strict=True)
    assert asked == [1]


def test_tokens_are_padded_to_the_length_of_the_batch() -> None:
    lengths = np.array([2, 7, 1], np.int32)

    def give() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        yield np.array([2, 0]), np.arange(6, dtype=np.float32).reshape(2, 3, 1)  # padded to three

    outputs = find_teacher_outputs({"rows": "by token"}, give, lengths=lengths, filling=-9.0)
    found = outputs.batch(np.array([0, 2]), 4)
    np.testing.assert_array_equal(found[:, :, 0], [[3, 4, -9, -9], [0, -9, -9, -9]])
