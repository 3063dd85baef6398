"""Tiny runs started in processes of their own, and what they left; see tiny_run.py for what is trained."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

Run = dict[str, np.ndarray]


def train(folder: Path, devices: int, runs: dict[str, dict[str, Any]]) -> dict[str, Run]:
    """Trains each of `runs`, a name with its settings, on so many devices."""
    command = [sys.executable, str(Path(__file__).with_name("tiny_run.py")), str(folder), str(devices)]
    here = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}  # the code that is tested, not one installed
    done = subprocess.run([*command, json.dumps(runs)], capture_output=True, text=True, check=False, env=here)
    assert done.returncode == 0, done.stderr[-3000:]
    return {name: dict(np.load(folder / f"{name}.npz")) for name in runs}


def weights(run: Run, when: str = "weights") -> dict[str, np.ndarray]:
    """The weights at the end, "before" or after "one step", by name."""
    return {name.removeprefix(f"{when}/"): array for name, array in run.items() if name.startswith(f"{when}/")}


def largest_difference(one: Run, other: Run) -> float:
    """Between the weights at the end of two runs."""
    return max(float(np.abs(array - weights(other)[name]).max()) for name, array in weights(one).items())
