"""Faults of Keras that are worked around. When one of these tests fails, Keras has mended the fault: remove the
workaround that `sftkeras/internals/keras.py` names with it, and the test.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import forked
import pytest

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def probe() -> dict[str, Any]:
    """What stock and mended Keras do with two replicas, in a process of their own."""
    command = [sys.executable, str(Path(__file__).with_name("keras_fault_probe.py"))]
    here = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}  # the code that is tested, not one installed
    done = forked.run(command, env=here)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_stock_optimizer_reduces_gradients_itself(probe: dict[str, Any]) -> None:
    # The replicas' gradients are 3 and 4, their sum 7. Clipped to norm 1 the step is 1, not one of each replica.
    assert probe["summed"] == -7
    assert probe["clipped"] == -2
    # The second replica's gradient is infinite: the step must be skipped.
    assert probe["infinite"] == "not finite"


def test_the_mended_optimizer_takes_the_sum(probe: dict[str, Any]) -> None:
    assert probe["summed, mended"] == -7
    assert probe["clipped, mended"] == -1
    assert probe["infinite, mended"] == 0


def test_stock_fit_fails_on_an_odd_batch(probe: dict[str, Any]) -> None:
    assert probe["odd batch"] == "InvalidArgumentError"


def test_the_mended_fit_trains_on_an_odd_batch(probe: dict[str, Any]) -> None:
    assert probe["odd batch, mended"] == "trained"
