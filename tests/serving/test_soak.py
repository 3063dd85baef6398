"""The short form of benchmarks/soak.py: load while versions come and go. The long form is run by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tiny_served import MODEL

SOAK = Path(__file__).parents[2] / "benchmarks" / "soak.py"


def test_no_request_fails_while_versions_come_and_go(models: Path, tmp_path: Path) -> None:
    words = ["--minutes=0.15", "--publish_seconds=2.5", "--clients=8", f"--results={tmp_path}"]
    ran = subprocess.run(
        [sys.executable, str(SOAK), f"--model={models / MODEL}", *words], capture_output=True, text=True, timeout=600
    )
    assert (tmp_path / "soak.jsonl").exists(), ran.stderr
    record = json.loads((tmp_path / "soak.jsonl").read_text())
    assert record["failures"] == {}
    assert record["published"] == 3
    assert record["served"] >= 2
    assert min(record["sent"].values()) > 100
    assert record["memory_ratio"] < 1.2  # ten seconds are too few for the bound of the long form
