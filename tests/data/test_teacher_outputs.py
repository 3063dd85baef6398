"""Outputs of a teacher on disk: of rows in any order, and of tokens with padding."""

from __future__ import annotations

import numpy as np

from sftkeras.data.storage.teacher_outputs import GivenRows, find_teacher_outputs, joined_rows


def test_rows_come_back_in_the_order_they_are_asked_for_and_are_computed_once() -> None:
    asked = []

    def give() -> GivenRows:
        asked.append(1)
        yield np.array([5, 2]), np.array([[5.0, 50], [2, 20]]), None
        yield np.array([9]), np.array([[9.0, 90]]), None

    for _ in range(2):
        outputs = find_teacher_outputs({"rows": "by row"}, give, np.dtype(np.float32))
        found = joined_rows(outputs.of_rows(np.array([9, 5])), None)
        np.testing.assert_array_equal(found, np.array([[9, 90], [5, 50]], np.float32), strict=True)
    assert asked == [1]


def test_places_are_filled_one_after_another_with_what_there_is_of_each() -> None:
    kept = np.dtype([("token", np.int32), ("shares", np.float16, (2,))])

    def give() -> GivenRows:
        given = np.zeros((2, 3), kept)
        given["token"] = np.arange(6).reshape(2, 3)
        given["shares"] = 0.25
        yield np.array([2, 0]), given, np.array([[False, True, False], [True, False, True]])
        yield np.array([7]), given[:1], np.zeros((1, 3), bool)

    outputs = find_teacher_outputs({"rows": "by place"}, give, kept)
    places = np.array([[True, True, False, False], [False, False, True, False]])
    found = joined_rows(outputs.of_rows(np.array([0, 7, 2])), places)
    np.testing.assert_array_equal(found["token"], [[3, 5, 0, 0], [0, 0, 1, 0]])
    np.testing.assert_array_equal(found["shares"].sum(-1), [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0]])


def test_what_stands_where_there_is_nothing_is_said_by_who_asks() -> None:
    def give() -> GivenRows:
        yield np.array([0]), np.array([[[4.0], [5.0]]]), np.array([[True, False]])

    outputs = find_teacher_outputs({"rows": "filled"}, give, np.dtype(np.float32))
    found = joined_rows(outputs.of_rows(np.array([0])), np.array([[False, True, False]]), filling=-9.0)
    np.testing.assert_array_equal(found[..., 0], np.array([[-9, 4, -9]], np.float32), strict=True)
