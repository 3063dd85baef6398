"""A training that is killed and run again ends as if it had not been; one that may not go on is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from command_line import Running, flags, run_command
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sftkeras import train
from sftkeras.config import TrainConfig
from sftkeras.runs import Run

Refuse = Callable[..., str]

RESUMABLE = 75


def settings(tiny_bert: Path, reviews: Path, name: str, **more: object) -> Sequence[str]:
    """Dropout, shuffling, two epochs of six steps, a state at every other step."""
    return flags(
        name=name,
        backbone__handle=tiny_bert,
        backbone__max_length=32,
        backbone__dropout=0.2,
        data__train=reviews,
        optimizer__learning_rate=0.01,
        training__batch_size=8,
        training__epochs=2,
        checkpoint__every_steps=2,
        report__bootstrap=0,
        report__baselines="false",
        resume__allow="code",  # lest a change to the code while tests run be taken for one between start and resume
        **more,
    )


def train_killed(words: Sequence[str], target: str, call: int, cwd: Path) -> None:
    script = str(Path(__file__).with_name("killed.py"))
    here = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}  # the code that is tested, not one installed
    command = [sys.executable, script, target, str(call), *words]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, env=here, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr


def trained(words: Sequence[str], cwd: Path) -> str:
    done = run_command("train", *words, cwd=cwd, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def points(run: Run) -> dict[str, list[int]]:
    """The steps of each of TensorBoard's curves."""
    events = EventAccumulator(str(run.tensorboard), {"tensors": 0})
    events.Reload()
    return {tag: [event.step for event in events.Tensors(tag)] for tag in events.Tags()["tensors"]}


def report(run: Run) -> dict[str, Any]:
    return json.loads((run.folder / "report.json").read_text(encoding="utf-8"))


def assert_same_ending(run: Run, whole: Run) -> None:
    assert run.best_weights.read_bytes() == whole.best_weights.read_bytes()
    assert report(run)["metrics"] == report(whole)["metrics"]
    histories = [
        [{name: value for name, value in epoch.items() if name != "seconds"} for epoch in report(it)["history"]]
        for it in (run, whole)
    ]
    assert histories[0] == histories[1]
    assert points(run) == points(whole)
    assert [path.name for path in run.states.iterdir()] == ["best.weights.h5"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("resume")


@pytest.fixture(scope="module")
def whole(folder: Path, tiny_bert_folder: Path, reviews_csv: Path) -> Run:
    trained(settings(tiny_bert_folder, reviews_csv, "whole"), folder)
    return Run(folder / "runs/whole")


MOMENTS = [
    "sftkeras.training.callbacks:Recorder.on_train_batch_end",  # in the first epoch
    "sftkeras.training.resume.state_files:write_state",
    "sftkeras.evaluation:write_report",  # the model is exported, the report half written
]


def test_a_training_killed_again_and_again_ends_with_the_same_bits(
    folder: Path, whole: Run, tiny_bert_folder: Path, reviews_csv: Path
) -> None:
    words = settings(tiny_bert_folder, reviews_csv, "killed")
    for call, target in zip((3, 2, 1), MOMENTS, strict=True):
        train_killed(words, target, call, folder)
    assert "Continuing the interrupted run: training is over." in trained(words, folder)
    assert_same_ending(Run(folder / "runs/killed"), whole)
    for version in (folder / "saved_models/killed").iterdir():
        assert (version / "saved_model.pb").is_file()


def test_two_devices_resume_to_the_same_bits(folder: Path, tiny_bert_folder: Path, reviews_csv: Path) -> None:
    trained_alone = "sftkeras.training.fit:fit"  # then killed, lest the test wait for an export
    for name in ("two", "two-killed"):
        words = settings(tiny_bert_folder, reviews_csv, name, training__devices=2)
        if name == "two-killed":
            train_killed(words, "sftkeras.training.callbacks:Recorder.on_train_batch_end", 9, folder)
        train_killed(words, trained_alone, 1, folder)
    weights = [Run(folder / "runs" / name).best_weights.read_bytes() for name in ("two", "two-killed")]
    assert weights[0] == weights[1]


@pytest.fixture(scope="module")
def stopped(folder: Path, tiny_bert_folder: Path, reviews_csv: Path) -> Sequence[str]:
    """The words of a training that SIGTERM stopped, saved, in its second epoch or a little later."""
    words = settings(tiny_bert_folder, reviews_csv, "stopped", training__early_stopping__patience="null")
    words = [*words, "--training.epochs=300", "--checkpoint.every_steps=null"]
    training = Running("train", *words, cwd=folder)
    training.wait_until(lambda: "epoch 1/300" in training.said, 300)
    assert training.send(signal.SIGTERM) == RESUMABLE, training.said + training.complained
    assert training.complained == ""
    assert "The same command goes on from here." in training.said
    assert any((folder / "runs/stopped/state").glob("step-*.safetensors"))
    return words


@pytest.fixture
def refused(folder: Path, stopped: Sequence[str], refuse: Refuse, monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Runs the stopped training with further words; gives the line with which they are refused."""
    monkeypatch.chdir(folder)
    return lambda *words: refuse(train.main, TrainConfig, *stopped, *words)


def test_another_training_under_the_name_is_refused(refused: Refuse) -> None:
    line = refused("--optimizer.learning_rate=0.02")
    assert line.startswith("SFT420  runs/stopped holds an interrupted run that differs: ")
    assert "optimizer.learning_rate 0.01 → 0.02." in line
    assert "--resume.allow code,optimizer.learning_rate," in line


def test_a_finished_run_is_neither_continued_nor_replaced(refused: Refuse, whole: Run) -> None:
    assert refused("--name=whole").startswith("SFT105  runs/whole")
    line = refused("--resume=must", "--name=whole")
    assert line.startswith("SFT421  --resume must: runs/whole holds a finished run.")


def test_never_and_must_say_what_is_there(refused: Refuse) -> None:
    assert refused("--resume=never").startswith("SFT105  runs/stopped")
    assert refused("--resume", "must", "--name=none").startswith("SFT421  --resume must: runs/none holds no run.")


def test_a_run_that_another_process_trains_is_left_alone(refused: Refuse, folder: Path) -> None:
    run = Run(folder / "runs/stopped")
    before = sorted(path.name for path in run.states.iterdir())
    with run.claimed():
        assert refused().startswith("SFT423  runs/stopped: another process is training this run.")
    assert sorted(path.name for path in run.states.iterdir()) == before
