"""The time of training is divided into its parts: nothing is counted twice, and each part under its own name."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import keras
import pytest
from small_fit import configured, prepare

from sftkeras.training.fit import fit
from sftkeras.training.watching.timing import PARTS, StepTimer


class Clock:
    """A clock that is set by hand, and what the step's graph would have read of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.graph = (0.0, 0.0, 0.0)
        monkeypatch.setattr(StepTimer, "_now", lambda timer: self.now)

    def read(self) -> tuple[float, float, float]:
        return self.graph


class Model:
    train_function = object()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def timer(clock: Clock) -> StepTimer:
    timer = StepTimer(clock)  # type: ignore[arg-type]
    timer.set_model(Model())
    timer.on_train_begin()
    return timer


def step(timer: StepTimer, clock: Clock, *, waits: float, computes: float, reduces: float, ends: float) -> None:
    timer.on_train_batch_begin(0)
    arrived = clock.now + waits
    clock.graph = (arrived, arrived + computes, arrived + computes + reduces)
    clock.now += waits + computes + reduces + ends
    timer.on_train_batch_end(0)


def test_a_step_is_divided_by_the_graphs_clock(timer: StepTimer, clock: Clock) -> None:
    for _ in range(2):
        step(timer, clock, waits=1, computes=4, reduces=2, ends=0.5)
    assert timer.step == pytest.approx({"input": 1, "compute": 4.5, "all_reduce": 2, "checkpoint": 0})
    assert timer.whole == pytest.approx(7.5)


def test_a_step_that_traces_the_graph_counts_as_start(timer: StepTimer, clock: Clock) -> None:
    step(timer, clock, waits=0, computes=9, reduces=0, ends=0)
    assert timer.traced
    step(timer, clock, waits=0, computes=1, reduces=0, ends=0)
    assert not timer.traced
    timer.model.train_function = object()
    step(timer, clock, waits=0, computes=5, reduces=0, ends=0)
    assert timer.traced
    assert timer.sums["start"] == pytest.approx(14)
    assert timer.sums["compute"] == pytest.approx(1)


def test_what_happens_between_steps_is_told_apart(timer: StepTimer, clock: Clock) -> None:
    step(timer, clock, waits=0, computes=1, reduces=0, ends=0)
    clock.now += 0.25  # logs
    with timer.saving():
        clock.now += 2
    timer.on_test_begin()
    clock.now += 8
    timer.on_test_end()
    clock.now += 0.5
    with timer.saving(state=False):  # best weights
        clock.now += 3
    step(timer, clock, waits=0, computes=1, reduces=0, ends=0)
    assert timer.step["checkpoint"] == pytest.approx(2), "of the state before the step"
    step(timer, clock, waits=0, computes=1, reduces=0, ends=0)
    assert timer.step["checkpoint"] == 0
    assert timer.sums == pytest.approx(
        {"start": 1, "input": 0, "compute": 2, "all_reduce": 0, "checkpoint": 5, "validation": 8, "other": 0.75}
    )
    assert sum(timer.sums.values()) == pytest.approx(clock.now - 100)


@pytest.mark.parametrize("shift", [-1000.0, 1000.0])
def test_a_clock_that_is_set_meanwhile_gives_no_impossible_part(timer: StepTimer, clock: Clock, shift: float) -> None:
    step(timer, clock, waits=0, computes=1, reduces=0, ends=0)
    timer.on_train_batch_begin(0)
    clock.graph = (clock.now + shift, clock.now + 3 * shift, clock.now + 5 * shift)
    clock.now += 2
    timer.on_train_batch_end(0)
    assert all(0 <= seconds <= 2 for seconds in timer.step.values())
    assert sum(timer.step.values()) == pytest.approx(2)


def test_a_resumed_run_goes_on_counting(timer: StepTimer, clock: Clock) -> None:
    step(timer, clock, waits=1, computes=2, reduces=0, ends=0)
    step(timer, clock, waits=1, computes=2, reduces=0, ends=0)
    resumed = StepTimer(clock)  # type: ignore[arg-type]
    resumed.set_model(Model())
    resumed.restore(timer.state())
    clock.now += 1e6  # between the two processes
    resumed.on_train_begin()
    step(resumed, clock, waits=1, computes=2, reduces=0, ends=0)
    step(resumed, clock, waits=1, computes=2, reduces=0, ends=0)
    assert resumed.steps == 4
    assert resumed.sums["input"] == pytest.approx(2)
    assert sum(resumed.sums.values()) == pytest.approx(12)


def test_slow_batches_are_counted_as_input_and_nothing_is_counted_twice(tmp_path: Path) -> None:
    prepared = prepare(tmp_path, configured(epochs=1, batch_size=1))
    whole = prepared.train.arrays
    begun = threading.Event()  # batches are read once before, to see what they hold

    def slowly(epoch: int, at: int) -> Any:
        """Begins when the step before has ended: none is made while a graph is traced or a step computes."""
        while begun.is_set() and prepared.model.optimizer.iterations.numpy() < at:
            time.sleep(0.001)
        time.sleep(0.1)
        return whole(epoch, at)

    prepared.train.arrays = slowly  # type: ignore[method-assign]
    begin = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: begun.set())
    result = fit(prepared.model, prepared.train, prepared.validation, prepared.config, prepared.run, [begin])
    assert set(result.time) == set(PARTS)
    assert all(seconds >= 0 for seconds in result.time.values())
    assert sum(result.time.values()) == pytest.approx(result.seconds, rel=0.01)  # two clocks
    assert result.time["input"] > 0.8  # sixteen batches, which begin when a step has almost ended
    assert result.time["all_reduce"] < result.time["input"]  # there is but one device
