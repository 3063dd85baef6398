from __future__ import annotations

from pathlib import Path

import pytest
from archive_names import PARTS
from hypothesis import example, given
from hypothesis import strategies as st

from sftkeras.handles.archives import Bounds, unsafe_reason


@given(st.lists(PARTS, max_size=6).map("/".join))
@example("../evil")
@example("/etc/passwd")
@example("a/../../evil")
@example("C:/evil")
@example("a\\..\\..\\evil")
@example("a/b\0/../../evil")
def test_a_name_that_passes_stays_inside_the_folder(name):
    if not unsafe_reason(name):
        folder = Path("/cache/entry")
        landed = folder.joinpath(name)
        assert ".." not in landed.parts
        assert landed.is_relative_to(folder)
        assert landed != folder


@given(st.lists(st.text("abc é_-.", min_size=1).filter(lambda part: part.strip(".")), min_size=1).map("/".join))
def test_an_ordinary_name_passes(name):
    assert unsafe_reason(name) == ""


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"files": 3, "size": 10, "packed": 10}, "3 files, more than 2"),
        ({"files": 2, "size": 101, "packed": 90}, "101 bytes unpacked, more than 100"),
        ({"files": 2, "size": 60, "packed": 19}, "19 bytes would unpack to 60"),
        ({"files": 2, "size": 100, "packed": 50}, ""),
        ({"files": 2, "size": 49, "packed": 1}, ""),  # too little to be a bomb
    ],
)
def test_what_exceeds_the_bounds_is_named(found, said):
    assert Bounds(files=2, size=100, ratio=3, ratio_from=50).excess(**found) == said
