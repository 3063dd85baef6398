"""Steps are timed within bounds: the lengths that say most first, and never as many as the run itself has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf

from sftkeras.config import TrainConfig, TrainingConfig
from sftkeras.errors import SFTError
from sftkeras.tasks.classification.spec import ClassificationSettings
from sftkeras.training.dry_run import dry_run
from sftkeras.training.step_times import measure


def measured(
    lengths: list[int], cost: Callable[[int], float], run_steps: int = 1000, first: float = 5.0
) -> tuple[dict[int, float], list[int]]:
    """The seconds by length, and the lengths of the steps that were done, on a clock that only steps move."""
    clock, done = [0.0], list[int]()

    def run_step(length: int) -> None:
        clock[0] += cost(length) + (0 if length in done else first)
        done.append(length)

    return measure(lengths, run_step, run_steps=run_steps, seconds=30, now=lambda: clock[0]), done


def test_the_first_step_of_a_length_is_not_timed() -> None:
    seconds, done = measured([8, 16, 24], lambda length: length / 100, first=1.0)
    assert seconds == pytest.approx({8: 0.08, 16: 0.16, 24: 0.24})
    assert done[:4] == [24, 24, 8, 8]
    assert len(done) == 12


def test_a_few_of_many_lengths_are_measured() -> None:
    seconds, _ = measured(list(range(8, 808, 8)), lambda length: 0.001, first=0.01)
    assert len(seconds) == 6
    assert {8, 800} <= set(seconds)


def test_no_step_begins_when_the_time_is_over() -> None:
    seconds, done = measured([8, 16, 24], lambda length: 6.0)
    assert done == [24, 24, 8, 8, 16]
    assert seconds == {8: 6.0, 24: 6.0}


def test_a_step_that_takes_all_the_time_is_done_again_without_tracing() -> None:
    seconds, done = measured([8, 16, 24], lambda length: 100.0, first=40.0)
    assert done == [24, 24]
    assert seconds == {24: 100.0}


@pytest.mark.parametrize(("run_steps", "steps"), [(1, 2), (7, 2), (8, 4), (20, 5), (100, 12)])
def test_a_small_run_is_not_measured_by_as_many_steps(run_steps: int, steps: int) -> None:
    seconds, done = measured([8, 16, 24], lambda length: 0.01, run_steps, first=0.01)
    assert len(done) == steps
    assert 24 in seconds


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="there it is fast")
def test_float16_is_not_measured_on_a_cpu() -> None:
    nothing: Any = None
    config = TrainConfig(task=ClassificationSettings(), training=TrainingConfig(precision="mixed_float16"))
    with pytest.raises(SFTError, match=r"SFT462.*Choose float32 or mixed_bfloat16 here"):
        dry_run(config, nothing, nothing, started=0.0)
