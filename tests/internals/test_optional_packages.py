"""In the process of a command, TensorFlow and Keras are imported without the packages they do not need there."""

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


WITHOUT_KERAS = """
import json, sys, types
sys.modules["__main__"].__spec__ = types.SimpleNamespace(name="sftkeras.serve")
from sftkeras import runtime
runtime.start_tensorflow(keras=False)
import sftkeras.serving.engine
import sftkeras.serving.server
import tensorflow as tf
import tensorflow_text
without = [name for name in ("keras", "matplotlib", "pandas", "sklearn") if name in sys.modules]
split = tensorflow_text.WhitespaceTokenizer().tokenize(["a film"]).to_list()
import keras
print(json.dumps([without, [word.decode() for word in split[0]], tf.keras.layers.Dense is keras.layers.Dense]))
"""


@pytest.mark.processes
def test_a_server_imports_no_keras_and_finds_it_later() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_KERAS], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert json.loads(done.stdout) == [[], ["a", "film"], True]
