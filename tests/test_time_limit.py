"""A test that hangs fails, and says where it hung."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HANGS = """
import threading

def test_hangs():
    threading.Event().wait()
"""


def test_every_test_has_a_time_limit_of_minutes(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.pluginmanager.hasplugin("timeout")
    assert 300 <= float(pytestconfig.getini("timeout")) < float(pytestconfig.getini("faulthandler_timeout")) <= 3600


@pytest.mark.processes
def test_a_test_that_hangs_fails_with_its_stack(tmp_path: Path) -> None:
    (tmp_path / "test_hanging.py").write_text(HANGS)
    words = ["-c", str(ROOT / "setup.cfg"), "--rootdir", str(tmp_path), "-o", "timeout=0.5", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=tmp_path, timeout=600, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Failed: Timeout (>0.5s) from pytest-timeout." in done.stdout
    assert "threading.Event().wait()" in done.stdout
