"""The timeline of a run: its parts, in order, with the cores they keep busy."""

from __future__ import annotations

import time

import pytest

from sftkeras.timeline import Timeline


def test_parts_of_one_name_are_added_up() -> None:
    timeline = Timeline()
    for name in ("data", "baselines", "data"):
        with timeline.part(name):
            pass
    assert [part.name for part in timeline.parts] == ["data", "baselines", "data"]
    assert timeline.seconds()["data"] == pytest.approx(timeline.parts[0].seconds + timeline.parts[2].seconds)


def test_a_part_that_fails_is_not_recorded() -> None:
    timeline = Timeline()
    with pytest.raises(ZeroDivisionError), timeline.part("data"):
        _ = 1 / 0
    assert timeline.parts == []


def test_a_sleeping_part_keeps_no_core_busy_and_a_counting_one_does() -> None:
    timeline = Timeline(started=time.perf_counter())
    with timeline.part("sleep"):
        time.sleep(0.2)
    with timeline.part("count"):
        _ = sum(number * number for number in range(1_000_000))
    start, sleeping, counting = timeline.parts
    assert start.name == "start"
    assert sleeping.cores < counting.cores
