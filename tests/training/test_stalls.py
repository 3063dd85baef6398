"""Each cause of a stall is told once, by its code, and a run without a fault hears nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sftkeras.training.callbacks import StepRecord
from sftkeras.training.position import Position
from sftkeras.training.watching import stalls
from sftkeras.training.watching.machine_load import Load, Usage
from sftkeras.training.watching.stalls import FIRST_STEPS, WINDOW, StallWatch
from sftkeras.training.workers.cluster import Cluster

QUIET = Load(at=0.0, busy=0.0, own=0.0, swapped=0, throttled=0.0)
GOOD = {"input": 0.002, "compute": 0.2, "all_reduce": 0.0, "checkpoint": 0.0}


class Timer:
    """A step timer that is told what it measured."""

    step: dict[str, float] = GOOD
    whole = 0.202
    traced = False


class Best:
    """What saves the best weights, that is told how long it took."""

    seconds = 0.0


class Training:
    """A watch, and the steps it is shown."""

    def __init__(self, cluster: Cluster | None = None) -> None:
        self.timer, self.record, self.position, self.best = Timer(), StepRecord(), Position(10_000), Best()
        self.said: list[str] = []
        self.load = replace(QUIET, at=time.monotonic())
        self.watch = StallWatch(
            self.timer,  # type: ignore[arg-type]
            self.record,
            self.position,
            self.best,  # type: ignore[arg-type]
            cluster=cluster or Cluster(("",), 0),
            devices=2,
            report=self.said.append,
            look=lambda: self.load,
        )

    def steps(self, count: int, *, tokens: int = 100, traced: bool = False, **parts: float) -> Training:
        self.timer.step = GOOD | parts
        self.timer.whole = sum(seconds for part, seconds in self.timer.step.items() if part != "checkpoint")
        self.timer.traced = traced
        for _ in range(count):
            self.record.tokens.append(tokens)
            self.watch.on_train_batch_end(0)
            self.position.step += 1
        return self

    def epoch(self, monkeypatch: pytest.MonkeyPatch, *, takes: float, saving: float) -> Training:
        """An epoch of so many seconds, of which so many are for the best weights."""
        self.watch.on_epoch_begin(0)
        began = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: began + takes)
        self.best.seconds = saving
        self.watch.on_epoch_end(0)
        return self

    @property
    def codes(self) -> list[str]:
        return [line.split()[0] for line in self.said]


def test_a_steady_run_hears_nothing() -> None:
    assert Training().steps(20 * WINDOW).codes == []


def test_slow_batches_are_told_once() -> None:
    training = Training().steps(10 * WINDOW, input=0.1)
    assert training.codes == ["SFT451"]
    assert "33% of the time is waiting for batches" in training.said[0]


def test_waiting_that_nobody_would_notice_is_not_told() -> None:
    assert Training().steps(5 * WINDOW, input=0.002, compute=0.003).codes == []


def test_a_state_now_and_then_is_told_if_it_costs_much() -> None:
    training = Training()
    for _ in range(2 * WINDOW // 10):
        training.steps(9).steps(1, checkpoint=0.5)
    assert training.codes == ["SFT455"]
    assert "20% of the time, 0.5 s each" in training.said[0]


def test_a_cheap_state_is_not_told() -> None:
    training = Training()
    for _ in range(2 * WINDOW // 10):
        training.steps(9).steps(1, checkpoint=0.05)
    assert training.codes == []


def test_best_weights_that_take_long_are_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    training = Training()
    for _ in range(2):
        training.epoch(monkeypatch, takes=200, saving=95)
    assert training.codes == ["SFT459"]
    assert "epoch 1: writing the best weights took 95.0 s, 47% of the epoch" in training.said[0]


@pytest.mark.parametrize(("takes", "saving"), [(200, 10), (10, 4), (10, 0)])
def test_best_weights_that_take_a_share_that_is_small_or_soon_over_are_not_told(
    monkeypatch: pytest.MonkeyPatch, takes: float, saving: float
) -> None:
    assert Training().epoch(monkeypatch, takes=takes, saving=saving).codes == []


def test_a_step_far_slower_than_its_size_explains_is_told() -> None:
    training = Training().steps(WINDOW).steps(1, compute=4.0)
    assert training.codes == ["SFT452"]
    assert f"step {WINDOW + 1} took 4.0 s, 20 times" in training.said[0]


def test_a_long_step_with_many_tokens_is_no_stall() -> None:
    assert Training().steps(WINDOW).steps(1, tokens=2000, compute=4.0).codes == []


def test_first_steps_and_steps_that_trace_the_graph_are_no_stall() -> None:
    training = Training().steps(FIRST_STEPS, compute=30.0).steps(WINDOW).steps(1, compute=30.0, traced=True)
    assert training.codes == []


CAUSES: dict[str, Callable[[Load], Load]] = {
    "SFT453": lambda load: replace(load, at=load.at + 10, busy=10 * cores(), own=1.0),
    "SFT454": lambda load: replace(load, at=load.at + 10, swapped=10**9),
    "SFT458": lambda load: replace(load, at=load.at + 10, throttled=20.0),
}


def cores() -> int:
    return Load.now().since(QUIET).cores


@pytest.mark.parametrize("code", CAUSES)
def test_a_slow_step_is_explained_by_what_the_machine_did(code: str) -> None:
    training = Training().steps(WINDOW)
    training.load = CAUSES[code](training.load)
    assert training.steps(1, compute=4.0).codes == [code]


@pytest.mark.parametrize("code", CAUSES)
def test_the_machine_is_looked_at_now_and_then(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    training = Training().steps(WINDOW)
    training.load = CAUSES[code](training.load)
    assert training.steps(1).codes == []
    monkeypatch.setattr(stalls, "LOOK_SECONDS", 0.0)
    assert training.steps(3).codes == [code]


def test_other_processes_that_leave_cores_idle_are_no_cause() -> None:
    usage = Usage(cores=8, idle=3.0, others=4.0, swapping=0.0, throttled=0.0)
    assert not Training().watch._check_usage(usage)
    assert Training().watch._check_usage(replace(usage, idle=0.2))


@pytest.mark.parametrize(
    ("own_share", "told_by_others", "codes"),
    [
        (0.5, (False, True), ["SFT456"]),  # worker 1 waits little
        (0.5, (False, False), ["SFT457"]),  # all wait: it is the link
        (0.0, (False, False), []),
    ],
)
def test_workers_agree_on_whom_they_wait_for(
    monkeypatch: pytest.MonkeyPatch, own_share: float, told_by_others: tuple[bool, ...], codes: list[str]
) -> None:
    asked: list[tuple[bool, ...]] = []

    def agree(*flags: bool) -> tuple[bool, ...]:
        asked.append(flags)
        return tuple(own or other for own, other in zip(flags, (False, *told_by_others), strict=True))

    monkeypatch.setattr(stalls, "agree", agree)
    training = Training(Cluster(("a:1", "b:1"), 0)).steps(3 * WINDOW, all_reduce=0.4 * own_share)
    assert len(asked) == 3, "at the same steps on all workers, whatever they found"
    assert training.codes == codes
    if codes == ["SFT456"]:
        assert "worker 1" in training.said[0]


def test_the_machines_counters_give_cores_and_rates() -> None:
    began = Load.now()
    usage: Any = Load.now().since(began)
    assert 0 <= usage.idle <= usage.cores
    assert 0 <= usage.others <= usage.cores
    earlier = replace(QUIET, at=10.0)
    later = Load(at=20.0, busy=8.0, own=5.0, swapped=10**8, throttled=5.0)
    usage = later.since(earlier)
    assert usage.others == pytest.approx(0.3)
    assert usage.swapping == pytest.approx(1e7)
    assert usage.throttled == pytest.approx(0.5)
