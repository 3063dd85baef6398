"""Cells of tables that hold lists, objects and numbers are read as their writer meant them, or left as they are."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftkeras.data.formats.cells import is_missing, structured, whole_number

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
CONTAINERS = st.lists(VALUES) | st.dictionaries(st.text(), VALUES)


@settings(max_examples=40)
@given(CONTAINERS)
def test_what_json_and_python_write_is_read_back(value: Any) -> None:
    assert structured(json.dumps(value)) == value
    assert structured(repr(value)) == value


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (str(np.array(["Ann", "O'Hara"])), ["Ann", "O'Hara"]),
        (str(np.array([1, 0, 3])), [1, 0, 3]),
        (str({"text": np.array(["x y"], object), "answer_start": np.array([9], np.int32)}),
         {"text": ["x y"], "answer_start": [9]}),
        (str({"text": np.array([], object), "answer_start": np.array([], np.int32)}), {"text": [], "answer_start": []}),
        ("{'start': nan, 'end': np.int64(4)}", {"start": None, "end": 4}),
        ("['a\\d']", ["a\\d"]),
    ],
)  # fmt: skip
def test_what_numpy_and_pandas_print_is_read(cell: str, value: Any) -> None:
    assert structured(cell) == value


@pytest.mark.parametrize(
    "cell",
    ["", "text", "[sic] text", "[", "[" * 100_000, "[...]", "[b'x']", "[open('x')]", "[x for x in y]",
     "[1 if x else 2]", "{'a': __import__('os')}", "[f'{1}']", "['a' * 9]", 7, None, [1]],
)  # fmt: skip
def test_anything_else_stays_as_it_is(cell: Any) -> None:
    assert structured(cell) is cell


@pytest.mark.parametrize(
    ("cell", "number"),
    [(9, 9), (9.0, 9), ("9", 9), (" 9.0 ", 9), ("-1", -1), (0.5, None), ("0.5", None), ("", None), (None, None),
     (True, None), (float("nan"), None), (float("inf"), None), ("九", None), ("1e3", None), ([9], None)],
)  # fmt: skip
def test_whole_numbers_are_read_in_the_forms_of_tables(cell: Any, number: int | None) -> None:
    assert whole_number(cell) == number
    assert type(whole_number(cell)) is type(number)


@pytest.mark.parametrize("cell", [None, float("nan"), "", " "])
def test_empty_cells_are_known(cell: Any) -> None:
    assert is_missing(cell)


@pytest.mark.parametrize("cell", [0, 0.0, "0", "nan", [], {}])
def test_values_are_no_empty_cells(cell: Any) -> None:
    assert not is_missing(cell)
