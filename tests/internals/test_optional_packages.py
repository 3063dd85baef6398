"""In the process of a command, Keras is imported without the packages it does not need there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json, sys, types
if {command}:
    sys.modules["__main__"].__spec__ = types.SimpleNamespace(name="sftkeras.train")
from sftkeras import runtime
runtime.start_tensorflow()
import keras
loaded = [name for name in ("matplotlib", "pandas", "sklearn") if name in sys.modules]
from matplotlib.figure import Figure
from pandas import DataFrame
from sklearn.linear_model import LogisticRegression
print(json.dumps(loaded))
"""


@pytest.mark.processes
@pytest.mark.parametrize(("command", "loaded"), [(True, []), (False, ["matplotlib", "pandas", "sklearn"])])
def test_commands_leave_out_what_keras_would_import_if_it_is_there(command: bool, loaded: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(command=command)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert json.loads(done.stdout) == loaded
