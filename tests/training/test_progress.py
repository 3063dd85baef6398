"""The bar begins where the run is, and says how long the rest takes at the speed of this process."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from sftkeras.training.callbacks import StepRecord
from sftkeras.training.position import Position
from sftkeras.training.watching import progress
from sftkeras.training.watching.progress import FIRST_STEPS, ShowProgress, TimeLeft


def passed(left: TimeLeft, steps: int, *, seconds: float, now: float) -> float:
    """Time after so many steps."""
    for _ in range(steps):
        now += seconds
        left.step_ends(now)
    return now


def test_the_first_steps_do_not_count() -> None:
    left = TimeLeft(steps=100, epochs=2)
    left.epoch_begins(0.0)
    now = passed(left, FIRST_STEPS, seconds=30.0, now=0.0)
    assert left.of_epoch(4) is None
    assert left.of_run(0, 4) is None
    passed(left, 10, seconds=2.0, now=now)
    assert left.of_epoch(14) == pytest.approx(2.0 * 85)
    assert left.of_run(0, 14) == pytest.approx(2.0 * 185)


def test_validation_counts_once_an_epoch_has_ended() -> None:
    left = TimeLeft(steps=20, epochs=3)
    left.epoch_begins(0.0)
    now = passed(left, 20, seconds=1.0, now=0.0)
    left.epoch_begins(now + 7.0)
    passed(left, 1, seconds=1.0, now=now + 7.0)
    assert left.of_run(1, 0) == pytest.approx(19 + 7 + 20 + 7)


def test_a_resumed_run_is_told_what_is_left_of_it_and_not_of_a_whole_run() -> None:
    left = TimeLeft(steps=100, epochs=10)
    left.epoch_begins(0.0)
    passed(left, FIRST_STEPS + 5, seconds=1.0, now=0.0)
    assert left.of_epoch(79) == pytest.approx(20)
    assert left.of_run(9, 79) == pytest.approx(20)


class Shown:
    """The progress of a run of 3 epochs of 50 steps, drawn to a console that is read here."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, position: Position, *, terminal: bool) -> None:
        self.now, self.file = 0.0, io.StringIO()
        console = Console(file=self.file, force_terminal=terminal, width=160, highlight=False)
        monkeypatch.setattr(progress, "console", console)
        monkeypatch.setattr(progress, "say", lambda line: self.file.write(line + "\n"))
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)
        self.position = position
        self.record = StepRecord(
            losses=[0.25],
            seconds=[0.5],
            examples=[16],
            tokens=[512],
            epochs=[{"epoch": 2.0, "seconds": 33.0, "loss": 0.2}],
        )
        self.progress = ShowProgress(self.record, position, epochs=3)

    def steps(self, count: int, seconds: float) -> None:
        for _ in range(count):
            self.now += seconds
            self.progress.on_train_batch_end(0)
            self.position.step += 1

    @property
    def text(self) -> str:
        return self.file.getvalue()


def test_the_bar_of_a_resumed_epoch_begins_in_its_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Shown(monkeypatch, Position(steps=50, epoch=1, step=30), terminal=True)
    shown.progress.on_epoch_begin(1)
    bar = shown.progress._bar
    assert bar is not None
    assert bar.tasks[0].completed == 30
    shown.steps(FIRST_STEPS + 5, seconds=1.0)
    assert bar.tasks[0].completed == 40
    assert (
        bar.tasks[0].fields["note"]
        == "40/50 steps  loss 0.2500  32 examples/s  1,024 tokens/s  left: epoch 0:10, run 1:00"
    )
    shown.progress.on_epoch_end(1)
    assert "epoch 2/3  33 s  loss 0.2000" in shown.text
    assert shown.progress._bar is None


def test_without_a_terminal_a_line_comes_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Shown(monkeypatch, Position(steps=50), terminal=False)
    shown.progress.on_epoch_begin(0)
    shown.steps(45, seconds=20.0)
    lines = shown.text.splitlines()
    assert len(lines) == 2, "one in five minutes"
    assert (
        lines[-1] == "epoch 1/3  32/50 steps  loss 0.2500  32 examples/s  1,024 tokens/s  left: epoch 6:00, run 39:20"
    )


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (59.6, "1:00"), (754, "12:34"), (111_725, "31:02:05")])
def test_time_is_written_as_on_a_clock(seconds: float, text: str) -> None:
    assert progress._clock(seconds) == text
