"""A training that is killed and run again ends as if it had not been; one that may not go on is refused."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import forked
import pytest
from command_line import flags, run_command
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_runs import Finished, Interrupted, tiny_flags

from sftkeras import train
from sftkeras.config import TrainConfig
from sftkeras.runs import RunFolder

Refuse = Callable[..., str]

# In training, a state half written; then with the version published, of which nothing is noted yet.
MOMENTS = [("sftkeras.training.resume.state_files:write_state", 2), ("sftkeras.exporting.export:publish", 1)]


def train_killed(words: Sequence[str], target: str, call: int, cwd: Path) -> None:
    script = str(Path(__file__).with_name("killed.py"))
    here = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}  # the code that is tested, not one installed
    command = [sys.executable, script, target, str(call), *words]
    done = forked.run(command, cwd=cwd, env=here)
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr


def points(run: RunFolder) -> dict[str, list[int]]:
    """The steps of each of TensorBoard's curves."""
    events = EventAccumulator(str(run.tensorboard), {"tensors": 0})
    events.Reload()
    return {tag: [event.step for event in events.Tensors(tag)] for tag in events.Tags()["tensors"]}


def report(run: RunFolder) -> dict[str, Any]:
    return json.loads((run.folder / "report.json").read_text(encoding="utf-8"))


def without_time(epochs: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{name: value for name, value in epoch.items() if name != "seconds"} for epoch in epochs]


def test_a_training_killed_again_and_again_ends_with_the_same_bits(
    tmp_path: Path, finished: Finished, tiny_bert_folder: Path, reviews_csv: Path
) -> None:
    words = tiny_flags(tmp_path, tiny_bert_folder, data__train=reviews_csv, backbone__pooling="cls")
    words += flags(checkpoint__every_steps=2, resume__allow="code")  # lest a change to the code meanwhile stop it
    for target, call in MOMENTS:
        train_killed(words, target, call, tmp_path)
    done = run_command("train", *words, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert "Continuing the interrupted run: training is over." in done.stdout

    run, whole = RunFolder(tmp_path / "runs" / "tiny"), RunFolder(finished.run)
    assert run.best_weights.read_bytes() == whole.best_weights.read_bytes()
    assert report(run)["metrics"] == report(whole)["metrics"]
    assert without_time(report(run)["history"]) == without_time(report(whole)["history"])
    assert points(run) == points(whole)
    assert [path.name for path in run.states.iterdir()] == ["best.weights.h5"]
    # The version that was published before the second death is the run's, and there is no other.
    models = tmp_path / "saved_models" / "tiny"
    assert [path.name for path in models.iterdir()] == ["1"]
    assert run.last_export() == models / "1"
    shown = ("size_ratio", "version")
    assert report(run)["export"]["parity"] <= 1e-4
    assert [report(run)["export"][name] for name in shown] == [report(whole)["export"][name] for name in shown]


@pytest.fixture
def refused(interrupted: Interrupted, refuse: Refuse, monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Runs the interrupted training with further words; gives the line with which they are refused."""
    monkeypatch.chdir(interrupted.folder)
    return lambda *words: refuse(train.main, TrainConfig, *interrupted.words, *words)


def test_another_training_under_the_name_is_refused(refused: Refuse) -> None:
    line = refused("--optimizer.learning_rate=0.02")
    assert line.startswith("SFT420  runs/tiny holds an interrupted run that differs: ")
    assert "optimizer.learning_rate 0.01 → 0.02." in line
    assert "--resume.allow code,optimizer.learning_rate," in line


def test_a_finished_run_is_neither_continued_nor_replaced(refused: Refuse, finished: Finished) -> None:
    runs = f"--runs={finished.run.parent}"
    assert refused(runs).startswith(f"SFT105  {finished.run}")
    line = refused("--resume=must", runs)
    assert line.startswith(f"SFT421  --resume must: {finished.run} holds a finished run.")


def test_never_and_must_say_what_is_there(refused: Refuse) -> None:
    assert refused("--resume=never").startswith("SFT105  runs/tiny")
    assert refused("--resume", "must", "--name=none").startswith("SFT421  --resume must: runs/none holds no run.")


def test_a_run_that_another_process_trains_is_left_alone(refused: Refuse, interrupted: Interrupted) -> None:
    run = RunFolder(interrupted.run)
    before = sorted(path.name for path in run.states.iterdir())
    with run.claimed():
        assert refused().startswith("SFT423  runs/tiny: another process is training or exporting this run.")
    assert sorted(path.name for path in run.states.iterdir()) == before
