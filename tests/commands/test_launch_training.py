"""A training that `launch` runs: killed, stopped and gone on with, it ends as if nothing had happened."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import forked
import h5py
import numpy as np
import pytest
from command_line import flags
from tiny_runs import Finished

STEPS = 8  # of an epoch: 48 rows to train on
EPOCHS = 3


@pytest.fixture
def launched(tmp_path: Path, tiny_bert_folder: Path, reviews_csv: Path) -> Iterator[Callable[[str], forked.Process]]:
    running = []

    def start(name: str) -> forked.Process:
        words = flags(
            name=name,
            backbone__handle=tiny_bert_folder,
            backbone__max_length=32,
            data__train=reviews_csv,
            training__batch_size=6,
            training__epochs=EPOCHS,
            checkpoint__every_steps=3,
            resume__allow="code,task",
            report__bootstrap=20,
        )
        (tmp_path / name).mkdir(exist_ok=True)
        program = Path(__file__).with_name("forked_launch.py")
        command = [sys.executable, str(program), str(tmp_path / name), "--workers", "2", "--", *words]
        with (tmp_path / f"{name}.log").open("ab") as log:
            running.append(forked.Process(command, cwd=tmp_path, stdout=log, stderr=log))
        return running[-1]

    yield start
    for process in running:
        process.terminate()  # it stops its workers
        process.wait(600)


def until_step(folder: Path, name: str, step: int, process: forked.Process) -> None:
    """Waits until so many steps are recorded on disk."""
    file = folder / "runs" / name / "state" / "steps.jsonl"
    end = time.monotonic() + 600
    while not file.exists() or len(file.read_bytes().splitlines()) < step:
        assert process.poll() is None, (folder / f"{name}.log").read_text()[-3000:]
        assert time.monotonic() < end
        time.sleep(0.02)


def until_said(folder: Path, name: str, words: str, process: forked.Process) -> None:
    """Waits until a run's log has these words."""
    end = time.monotonic() + 600
    while words not in (folder / f"{name}.log").read_text():
        assert process.poll() is None, (folder / f"{name}.log").read_text()[-3000:]
        assert time.monotonic() < end
        time.sleep(0.05)


def weights(folder: Path, name: str) -> dict[str, np.ndarray]:
    found = {}
    with h5py.File(folder / "runs" / name / "state" / "best.weights.h5") as file:
        file.visititems(lambda path, it: found.update({path: it[()]} if isinstance(it, h5py.Dataset) else {}))
    return found


def files(run: Path) -> set[str]:
    """What a run has left, but for event files, of which each start writes one."""
    return {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file() and "tfevents" not in path.name}


def test_a_killed_and_stopped_training_ends_as_an_undisturbed_one(
    launched: Callable[[str], forked.Process], tmp_path: Path, finished: Finished
) -> None:
    whole = launched("whole")
    until_said(tmp_path, "whole", "Best epoch: ", whole)  # it is trained; its export would tell nothing more
    whole.terminate()
    disturbed = launched("disturbed")
    until_step(tmp_path, "disturbed", STEPS + 3, disturbed)
    os.kill(int((tmp_path / "disturbed" / "worker-1").read_text()), signal.SIGKILL)
    until_said(tmp_path, "disturbed", "(1 of 3)", disturbed)
    until_step(tmp_path, "disturbed", 2 * STEPS, disturbed)
    disturbed.send_signal(signal.SIGTERM)
    log = tmp_path / "disturbed.log"
    assert disturbed.wait(600) == 75, log.read_text()[-3000:]
    assert launched("disturbed").wait(600) == 0, log.read_text()[-3000:]
    said = log.read_text()
    assert "Worker 1 was killed by SIGKILL. All start again from the last state (1 of 3)." in said
    assert said.count("Continuing the interrupted run") == 2
    whole_weights, others = weights(tmp_path, "whole"), weights(tmp_path, "disturbed")
    assert whole_weights.keys() == others.keys()
    for name, array in whole_weights.items():
        np.testing.assert_array_equal(others[name], array, err_msg=name)
    # The second worker has written nothing of its own: the run is that of a process alone.
    assert files(tmp_path / "runs" / "disturbed") == files(finished.run)
    assert (tmp_path / "runs" / "disturbed.workers" / "worker-1.log").read_text() == ""
