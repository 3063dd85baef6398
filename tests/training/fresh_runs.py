"""Tiny runs in processes of their own, and what they left; see tiny_run.py for what is trained.

A process can have one number of devices only, and takes seconds to start: there is one for each number, which lives as
long as this process and trains for all its tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import forked
import numpy as np
import pytest

Run = dict[str, np.ndarray]


def train(folder: Path, devices: int, runs: dict[str, dict[str, Any]]) -> dict[str, Run]:
    """Trains each of `runs`, a name with its settings, on so many devices."""
    _host(devices).train(folder, runs)
    return {name: dict(np.load(folder / f"{name}.npz")) for name in runs}


def train_each(
    tmp_path_factory: pytest.TempPathFactory, runs: Mapping[int, dict[str, dict[str, Any]]]
) -> dict[int, Future[dict[str, Run]]]:
    """Trains the runs of each number of devices, two numbers at a time."""
    with ThreadPoolExecutor(2) as pool:
        return {
            devices: pool.submit(train, tmp_path_factory.mktemp("runs"), devices, those)
            for devices, those in runs.items()
        }


class _Host:
    """A process that has so many devices, and trains what it is asked to; it ends when its input does."""

    def __init__(self, devices: int) -> None:
        here = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}  # the code that is tested, not one installed
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  open as long as the process
        self._busy = threading.Lock()
        reading, writing = os.pipe()
        self.process = forked.Process(
            [sys.executable, str(Path(__file__).with_name("tiny_run.py")), str(devices)],
            stdin=subprocess.PIPE,
            stdout=writing,
            stderr=self._errors,
            env=here,
        )
        os.close(writing)
        self._answers = os.fdopen(reading)

    def train(self, folder: Path, runs: dict[str, dict[str, Any]]) -> None:
        stdin = self.process.stdin
        assert stdin
        with self._busy:
            stdin.write(f"{json.dumps([str(folder), runs])}\n".encode())
            if self._answers.readline() != "done\n":
                self.process.wait()
                self._errors.seek(0)
                raise AssertionError(self._errors.read()[-3000:])


_hosts: dict[int, _Host] = {}
_making = threading.Lock()


def _host(devices: int) -> _Host:
    with _making:
        if devices not in _hosts or _hosts[devices].process.poll() is not None:
            _hosts[devices] = _Host(devices)
        return _hosts[devices]


def weights(run: Run, when: str = "weights") -> dict[str, np.ndarray]:
    """The weights at the end, "before" or after "one step", by name."""
    return {name.removeprefix(f"{when}/"): array for name, array in run.items() if name.startswith(f"{when}/")}


def largest_difference(one: Run, other: Run) -> float:
    """Between the weights at the end of two runs."""
    return max(float(np.abs(array - weights(other)[name]).max()) for name, array in weights(one).items())
