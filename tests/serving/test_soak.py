"""The short form of benchmarks/soak.py: load while versions come and go. The long form is run by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tiny_served import MODEL

SOAK = Path(__file__).parents[2] / "benchmarks" / "soak.py"


def soaked(model: Path, results: Path, longer: int) -> dict[str, Any]:
    """The record of a load of nine seconds, or as many times longer."""
    words = [f"--minutes={0.15 * longer}", f"--publish_seconds={2.5 * longer}", "--clients=8", f"--results={results}"]
    ran = subprocess.run(
        [sys.executable, str(SOAK), f"--model={model}", *words], capture_output=True, text=True, timeout=600
    )
    assert (results / "soak.jsonl").exists(), ran.stderr
    record = json.loads((results / "soak.jsonl").read_text().splitlines()[-1])
    assert record["failures"] == {}
    return record


def test_no_request_fails_while_versions_come_and_go(models: Path, tmp_path: Path) -> None:
    for longer in (1, 4, 16):  # a slow or busy machine needs more time for as many versions and requests
        record = soaked(models / MODEL, tmp_path, longer)
        if record["published"] == 3 and record["served"] >= 2 and min(record["sent"].values()) > 100:
            break
    assert record["published"] == 3
    assert record["served"] >= 2
    assert min(record["sent"].values()) > 100
    assert record["memory_ratio"] < 1.2  # ten seconds are too few for the bound of the long form
