"""Tiny training runs, some made once for all tests, and a command called in this process as the shell would."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import ONE_LINE, Running, flags, run_command
from forked import forked_predictions
from tiny_runs import RESUMABLE, Finished, Interrupted, Refuse, tiny_flags

from sftkeras.command_line import commands

Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="module", autouse=True)
def quick_predictions() -> Iterator[None]:
    """Of this folder alone: other tests in the same process start prediction processes as users do."""
    with forked_predictions():
        yield


@pytest.fixture
def tiny_run(tmp_path: Path, tiny_bert_folder: Path) -> list[str]:
    """Flags of a tiny run in `tmp_path`; the data is still to be named."""
    return tiny_flags(tmp_path, tiny_bert_folder)


@pytest.fixture(scope="session")
def finished(once: Once, tiny_bert_folder: Path, reviews_csv: Path) -> Finished:
    """A run on `reviews_csv`, with dropout and `cls` pooling, that was trained, exported and judged by the command."""

    def train(folder: Path) -> None:
        words = tiny_flags(folder, tiny_bert_folder, data__train=reviews_csv, backbone__pooling="cls")
        done = run_command("train", *words, cwd=folder)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr

    folder = once("finished", train)
    return Finished(folder / "runs" / "tiny", folder / "saved_models" / "tiny")


@pytest.fixture(scope="session")
def interrupted(once: Once, tiny_bert_folder: Path, reviews_csv: Path) -> Interrupted:
    """A training that ctrl-C stopped in its second epoch or a little later."""
    words = flags(
        name="tiny",
        backbone__handle=tiny_bert_folder,
        backbone__max_length=32,
        data__train=reviews_csv,
        optimizer__learning_rate=0.01,
        training__batch_size=2,
        training__epochs=300,
        training__early_stopping__patience="null",
        resume__allow="code",  # lest a change to the code while tests run be taken for one between start and resume
    )

    def train(folder: Path) -> None:
        training = Running("train", *words, cwd=folder)
        training.wait_until(lambda: "epoch 1/300" in training.said)
        assert training.press_ctrl_c() == RESUMABLE, training.said + training.complained

    return Interrupted(once("interrupted", train), words)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of four megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a disk can be mounted by root alone")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def read_only_folder(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder that nobody may write to; root, who may write anywhere, gets a disk mounted so."""
    if os.geteuid() == 0:
        folder = request.getfixturevalue("small_disk")
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        yield folder
    else:
        folder = tmp_path / "locked"
        folder.mkdir(mode=0o500)
        yield folder
        folder.chmod(0o700)


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refuse:
    """Calls a command with words and returns the one line on standard error with which it must refuse them."""

    def call(main: Callable[[Any], object], config_class: type, *words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["sftkeras", *words])
        with pytest.raises(SystemExit) as ended:
            commands.run(main, config_class)
        captured = capsys.readouterr()
        assert ended.value.code == 2, captured.out + captured.err
        assert ONE_LINE.fullmatch(captured.err), captured.err
        return captured.err.rstrip("\n")

    return call
