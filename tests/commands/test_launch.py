"""`launch` keeps its workers together: started, stopped, restarted and ended as one. Toy workers; no training."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from sftkeras.launch import free_addresses, worker_environments

Start = Callable[..., subprocess.Popen]


@pytest.fixture
def launched(tmp_path: Path) -> Iterator[Start]:
    """Starts `launch`; each worker gets the acts of its starts, one after the other."""
    running = []

    def start(*acts: list[str], arguments: tuple[str, ...] = (), words: tuple[str, ...] = ()) -> subprocess.Popen:
        for index, lines in enumerate(acts):
            (tmp_path / f"script-{index}").write_text("\n".join(lines))
        command = [sys.executable, str(Path(__file__).with_name("toy_launch.py")), str(tmp_path)]
        command += ["--workers", str(len(acts)), *arguments, "--", "--runs", str(tmp_path / "runs"), *words]
        running.append(
            subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
            )
        )
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()


def ended(process: subprocess.Popen) -> tuple[int, str]:
    said, _ = process.communicate(timeout=600)
    return process.returncode, said


def starts(folder: Path, index: int, number: int = 0) -> dict[str, Any]:
    """What a worker noted when it was started; waits for that."""
    file = folder / f"start-{index}-{number}"
    until(file.exists)
    return json.loads(file.read_text())


def until(true: Callable[[], bool]) -> None:
    for _ in range(6000):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError("it never came true")


def is_running(process: int) -> bool:
    return psutil.pid_exists(process) and psutil.Process(process).status() != psutil.STATUS_ZOMBIE


def test_the_chief_is_seen_and_the_others_are_logged(launched: Start, tmp_path: Path) -> None:
    code, said = ended(launched(["0"], ["0"]))
    assert (code, said) == (0, "worker 0 speaks\n")
    assert (tmp_path / "runs" / "model.workers" / "worker-1.log").read_text() == "worker 1 speaks\n"
    assert starts(tmp_path, 1)["words"][-2:] == ["--training.strategy", "multi_worker"]


def test_a_strategy_for_one_process_is_refused(launched: Start) -> None:
    code, said = ended(launched(["0"], ["0"], words=("--training.strategy", "mirrored")))
    assert (code, said.count("\n")) == (2, 1)
    assert "SFT102  --training.strategy: mirrored is for one process" in said


def test_a_worker_that_dies_is_started_again_with_all_others(launched: Start, tmp_path: Path) -> None:
    code, said = ended(launched(["wait", "0"], ["kill", "0"]))
    assert code == 0
    assert "Worker 1 was killed by SIGKILL. All start again from the last state (1 of 3)." in said
    first, second = (json.loads(starts(tmp_path, 0, number)["environment"]["TF_CONFIG"]) for number in (0, 1))
    assert first["cluster"] != second["cluster"]  # the old ports may not be free yet
    assert not is_running(starts(tmp_path, 0)["process"])


def test_restarts_are_bounded(launched: Start, tmp_path: Path) -> None:
    code, said = ended(launched(["1", "1", "1"], ["wait"] * 3, arguments=("--max_restarts", "2")))
    assert code == 2
    assert "SFT435  Worker 0 ended with exit code 1. 2 restarts did not help." in said
    assert len(list(tmp_path.glob("start-0-*"))) == 3


@pytest.mark.parametrize("code", [2, 75, 130])
def test_an_ending_that_is_meant_is_not_repeated(launched: Start, tmp_path: Path, code: int) -> None:
    assert ended(launched([str(code)], [str(code)]))[0] == code
    assert not (tmp_path / "start-0-1").exists()


def test_the_last_lines_of_a_refused_worker_are_shown(launched: Start, tmp_path: Path) -> None:
    code, said = ended(launched(["wait"], ["2"]))
    assert code == 2
    assert "worker-1.log:\n    worker 1 speaks" in said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_signals_reach_the_workers(launched: Start, tmp_path: Path, number: int, code: int) -> None:
    process = launched(["wait"], ["wait"])
    for index in (0, 1):
        starts(tmp_path, index)
    process.send_signal(number)
    assert ended(process)[0] == code


def test_what_does_not_stop_is_killed(launched: Start, tmp_path: Path) -> None:
    process = launched(["wait"], ["stay"], arguments=("--stop_seconds", "1"))
    workers = [starts(tmp_path, index)["process"] for index in (0, 1)]
    process.terminate()
    assert ended(process)[0] == 75  # the chief had saved
    assert not any(is_running(worker) for worker in workers)


def test_no_worker_outlives_a_killed_launch(launched: Start, tmp_path: Path) -> None:
    process = launched(["wait"], ["stay"])
    workers = [starts(tmp_path, index)["process"] for index in (0, 1)]
    process.kill()
    until(lambda: not any(is_running(worker) for worker in workers))


def test_a_run_that_was_begun_is_gone_on_with_whatever_was_asked_for(launched: Start, tmp_path: Path) -> None:
    process = launched(["wait", "0"], ["wait", "0"], words=("--resume", "never"))
    first = starts(tmp_path, 0)
    starts(tmp_path, 1)
    mark = tmp_path / "runs" / "model" / "state" / "identity.json"
    mark.parent.mkdir(parents=True)
    mark.write_text("{}")
    os.kill(first["process"], signal.SIGKILL)
    assert ended(process)[0] == 0
    assert first["words"][-2:] != ["--resume", "auto"]
    assert starts(tmp_path, 0, 1)["words"][-2:] == ["--resume", "auto"]


def test_a_mistake_in_the_settings_starts_no_worker(launched: Start, tmp_path: Path) -> None:
    code, said = ended(launched(["0"], ["0"], words=("--training.epohs", "3")))
    assert code == 2
    assert 'SFT101  --training.epohs: no such setting. Did you mean "--training.epochs"?' in said
    assert not list(tmp_path.glob("start-*"))


def test_workers_share_out_the_cores_and_the_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(5)))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6")
    for name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    environments = worker_environments(2)
    assert [environment["TF_NUM_INTRAOP_THREADS"] for environment in environments] == ["2", "3"]
    assert [environment["CUDA_VISIBLE_DEVICES"] for environment in environments] == ["4", "5,6"]
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "9")
    assert [environment["TF_NUM_INTRAOP_THREADS"] for environment in worker_environments(2)] == ["9", "9"]


def test_addresses_are_free_and_of_this_machine_alone() -> None:
    addresses = free_addresses(5)
    assert len(set(addresses)) == 5
    assert all(address.startswith("127.0.0.1:") for address in addresses)
