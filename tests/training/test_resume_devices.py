"""A training on two devices that is stopped and gone on with ends with the same bits as one that was not."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import forked
import numpy as np


def test_two_devices_resume_to_the_same_bits(tmp_path: Path) -> None:
    program = Path(__file__).with_name("resume_run.py")
    here = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}  # the code that is tested, not one installed
    done = forked.run([sys.executable, str(program), str(tmp_path)], env=here)
    assert done.returncode == 0, done.stderr[-3000:]
    whole, resumed = (np.load(tmp_path / f"{name}.npz") for name in ("whole", "resumed"))
    assert len(whole["losses"]) == 8
    for name in whole.files:
        np.testing.assert_array_equal(resumed[name], whole[name], err_msg=name)
