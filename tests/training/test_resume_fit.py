"""However often `fit` is stopped, and wherever, it ends with the same bits as if it had not been."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_fit import Prepared, batches, configured, prepare
from test_training_fit import fitted, kept, same, weights

from sftkeras.config import CheckpointConfig, EarlyStoppingConfig, TrainConfig
from sftkeras.errors import SFTError
from sftkeras.training.callbacks import KeepBest, Recorder
from sftkeras.training.fit import Fitted
from sftkeras.training.position import Position
from sftkeras.training.resume.run_state import RunState
from sftkeras.training.resume.saving import SaveStates
from sftkeras.training.resume.state_files import THREAD, StateFiles

EVERY_STEP = CheckpointConfig(every_steps=1)
CONFIG = replace(
    configured(epochs=6, optimizer={"learning_rate": 0.3}, early_stopping=EarlyStoppingConfig(patience=3)),
    checkpoint=CheckpointConfig(every_minutes=None),
)
STEPS = 2  # an epoch


class CrashError(Exception):
    """What a test throws into the training loop; nothing there knows it."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Prepared, Fitted]:
    prepared = prepare(tmp_path_factory.mktemp("whole"), CONFIG)
    return prepared, fitted(prepared)


def at_call(
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    method: str,
    call: int,
    strike: Callable[[], Any],
    *,
    after: bool = True,
) -> None:
    """Calls `strike` at one call of a method, after or before what it does."""
    stock, calls = getattr(owner, method), []

    def struck(self: Any, *arguments: Any, **named: Any) -> Any:
        calls.append(self)
        if len(calls) == call and not after:
            strike()
        result = stock(self, *arguments, **named)
        if len(calls) == call and after:
            strike()
        return result

    monkeypatch.setattr(owner, method, struck)


def crash() -> None:
    """Ends training between two states; a real crash would end the thread that writes them too."""
    for thread in threading.enumerate():
        if thread.name == THREAD:
            thread.join()
    raise CrashError


def terminate() -> None:
    signal.raise_signal(signal.SIGTERM)


def resumed(folder: Path, config: TrainConfig = CONFIG) -> tuple[Prepared, Fitted]:
    """What a new process does: the same model anew, and the run's folder as it is."""
    beside = prepare(folder / "beside", replace(config, overwrite=True))
    there = replace(beside, run=replace(beside.run, folder=folder / "run" / config.name))
    return there, fitted(there)


def assert_same_ending(one: tuple[Prepared, Fitted], other: tuple[Prepared, Fitted]) -> None:
    assert same(kept(one[0]), kept(other[0]))
    assert same(
        [variable.numpy() for variable in one[0].model.optimizer.variables],
        [variable.numpy() for variable in other[0].model.optimizer.variables],
    )
    assert one[1].best_epoch == other[1].best_epoch
    records = [result.record for _, result in (one, other)]
    assert records[0].losses == records[1].losses
    assert records[0].examples == records[1].examples
    assert len(records[0].seconds) == len(records[1].seconds)
    assert [without_time(epoch) for epoch in records[0].epochs] == [without_time(epoch) for epoch in records[1].epochs]


def without_time(epoch: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in epoch.items() if name != "seconds"}


def test_a_captured_state_is_no_copy_and_stays_as_it_is_while_training_goes_on(tmp_path: Path) -> None:
    prepared = prepare(tmp_path, CONFIG)
    model = prepared.model
    model.make_train_function()
    assert model.train_function is not None
    steps = iter(prepared.train.distributed(range(2), model.distribute_strategy))
    model.train_function(steps)  # the optimizer's variables are there
    state = RunState(model, Position(STEPS), {}).capture(0, 1)
    weights_then = {name: array.copy() for name, array in state.arrays.items()}
    for _ in range(2):
        model.train_function(steps)
    now = RunState(model, Position(STEPS), {}).capture(0, 3).arrays
    for name, array in state.arrays.items():
        np.testing.assert_array_equal(array, weights_then[name])
        assert not array.flags.owndata, name
    assert any(not np.array_equal(now[name], array) for name, array in state.arrays.items() if "network" in name)


STOPS = [
    (Recorder, "on_train_batch_end", 1, "epoch 1, 1 of 2"),
    (Recorder, "on_train_batch_end", 4, "epoch 2, 2 of 2"),
    (SaveStates, "on_test_batch_end", 1, "epoch 1, 2 of 2"),
    (KeepBest, "on_epoch_end", 2, "epoch 3, 0 of 2"),
]


@pytest.mark.parametrize(("owner", "method", "call", "where"), STOPS, ids=[where for *_, where in STOPS])
def test_a_stopped_run_goes_on_without_a_step_done_twice(
    tmp_path: Path,
    whole: tuple[Prepared, Fitted],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    owner: type,
    method: str,
    call: int,
    where: str,
) -> None:
    before = method == "on_test_batch_end"
    with monkeypatch.context() as patch:
        at_call(patch, owner, method, call, terminate, after=not before)
        stopped = fitted(prepare(tmp_path / "run", CONFIG))
    assert stopped.interrupted
    there, result = resumed(tmp_path)
    assert f"Continuing the interrupted run: {where} steps." in capsys.readouterr().out
    assert not result.interrupted
    assert_same_ending((there, result), whole)


CRASHES = [
    (Recorder, "on_train_batch_end", 1, EVERY_STEP),
    (Recorder, "on_train_batch_end", 1, CONFIG.checkpoint),  # before any state
    (Recorder, "on_train_batch_end", 4, EVERY_STEP),
    (Recorder, "on_train_batch_end", 4, CONFIG.checkpoint),
    (SaveStates, "on_test_batch_end", 2, EVERY_STEP),
    (KeepBest, "on_epoch_end", 2, CONFIG.checkpoint),  # the best weights are written, the state is not
    (SaveStates, "on_epoch_end", 3, CONFIG.checkpoint),
]
CRASH_NAMES = [f"{name} {call}, {'steps' if it is EVERY_STEP else 'epochs'}" for _, name, call, it in CRASHES]


@pytest.mark.parametrize(("owner", "method", "call", "checkpoint"), CRASHES, ids=CRASH_NAMES)
def test_a_crashed_run_ends_with_the_same_bits(
    tmp_path: Path,
    whole: tuple[Prepared, Fitted],
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    method: str,
    call: int,
    checkpoint: CheckpointConfig,
) -> None:
    config = replace(CONFIG, checkpoint=checkpoint)
    run = prepare(tmp_path / "run", config)
    with monkeypatch.context() as patch:
        at_call(patch, owner, method, call, crash)
        with pytest.raises(CrashError):
            fitted(run)
    assert_same_ending(resumed(tmp_path, config), whole)


def test_a_run_that_crashes_again_and_again_ends_all_the_same(
    tmp_path: Path, whole: tuple[Prepared, Fitted], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(CONFIG, checkpoint=EVERY_STEP)
    prepare(tmp_path / "run", config)
    for _ in range(2 * STEPS):  # at each step of the first epochs
        with monkeypatch.context() as patch:
            at_call(patch, Recorder, "on_train_batch_end", 2, crash)
            with pytest.raises(CrashError):
                resumed(tmp_path, config)
    assert_same_ending(resumed(tmp_path, config), whole)


def test_a_run_whose_training_is_over_trains_no_more(tmp_path: Path, whole: tuple[Prepared, Fitted]) -> None:
    fitted(prepare(tmp_path / "run", CONFIG))
    there, result = resumed(tmp_path)
    assert same(weights(there.model.network), kept(whole[0]))
    assert_same_ending((there, result), whole)
    assert result.seconds > 0
    assert not result.interrupted


def test_early_stopping_waits_as_long_as_without_the_stop(
    tmp_path: Path, whole: tuple[Prepared, Fitted], monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs, best = len(whole[1].record.epochs), whole[1].best_epoch
    assert epochs == best + 3 < 6  # it waited, and stopped
    with monkeypatch.context() as patch:
        at_call(patch, KeepBest, "on_epoch_end", best + 1, terminate)
        fitted(prepare(tmp_path / "run", CONFIG))
    assert len(resumed(tmp_path)[1].record.epochs) == epochs


def test_a_damaged_state_costs_steps_and_no_bits(
    tmp_path: Path, whole: tuple[Prepared, Fitted], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = replace(CONFIG, checkpoint=EVERY_STEP)
    with monkeypatch.context() as patch:
        at_call(patch, Recorder, "on_train_batch_end", 5, terminate)
        prepared = prepare(tmp_path / "run", config)
        fitted(prepared)
    newest = max(prepared.run.states.glob("step-*"))
    content = bytearray(newest.read_bytes())
    content[-9] ^= 1
    newest.write_bytes(content)
    assert_same_ending(resumed(tmp_path, config), whole)
    assert f"{newest} is damaged (its checksum is wrong)" in capsys.readouterr().out


def test_ctrl_c_before_the_first_epoch_ends_keeps_the_weights_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepared = prepare(tmp_path, CONFIG)
    before = weights(prepared.model.network)
    at_call(monkeypatch, Recorder, "on_train_batch_end", 1, lambda: signal.raise_signal(signal.SIGINT))
    result = fitted(prepared)
    assert (result.interrupted, result.best_epoch, len(result.record.losses)) == (True, 0, 1)
    assert same(weights(prepared.model.network), kept(prepared))
    assert not same(before, kept(prepared))  # one step was made
    assert "Stopped. Kept: the weights as they were." in capsys.readouterr().out


def test_a_second_ctrl_c_saves_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def twice() -> None:
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)

    at_call(monkeypatch, Recorder, "on_train_batch_end", 5, twice)
    prepared = prepare(tmp_path, CONFIG)
    with pytest.raises(KeyboardInterrupt):
        fitted(prepared)
    newest = StateFiles(prepared.run.states, keep=2).newest()
    assert newest
    assert newest.values["step"] == 0


def test_a_state_of_other_batches_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        at_call(patch, Recorder, "on_train_batch_end", 1, terminate)
        prepared = prepare(tmp_path, CONFIG)
        fitted(prepared)
    smaller = configured(CONFIG, batch_size=4)
    with pytest.raises(SFTError, match=r"SFT422.*2 steps an epoch are now 4"):
        fitted(replace(prepared, train=batches(smaller, "train")))


def test_states_are_saved_as_often_as_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[int] = []
    monkeypatch.setattr(StateFiles, "write", lambda self, steps, state: saved.append(steps))
    fitted(prepare(tmp_path / "steps", replace(configured(epochs=2, batch_size=4), checkpoint=CheckpointConfig(3))))
    assert saved == [3, 4, 6, 8]
    saved.clear()
    always = replace(configured(epochs=1, batch_size=4), checkpoint=CheckpointConfig(every_minutes=1e-9))
    fitted(prepare(tmp_path / "minutes", always))
    assert saved == [1, 2, 3, 4, 4]


def test_metrics_of_a_resumed_epoch_are_those_of_all_its_steps(whole: tuple[Prepared, Fitted]) -> None:
    """What the equality above rests on: an epoch's loss is the mean over its steps, not over those since the stop."""
    record = whole[1].record
    means = [np.average(record.losses[at : at + STEPS], weights=record.examples[at : at + STEPS]) for at in (0, STEPS)]
    assert [epoch["loss"] for epoch in record.epochs[:2]] == pytest.approx(means, rel=1e-5)
