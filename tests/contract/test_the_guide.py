"""A task is one folder and one line, as docs/extending.md says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from following_the_guide import blocks, write_extended

PROGRAM = """
from sftkeras.command_line.commands import parse
from sftkeras.config import TrainConfig
from sftkeras.data import load_data
from sftkeras.tasks import spec_of
words = "--task.kind=ordinal --data.train=stars.csv --data.bad_rows=skip --data.split=[0.6,0.2,0.2]".split()
config = parse(TrainConfig, words)
spec_of("ordinal").check(config)
examples = load_data(config.data, spec_of("ordinal").label_kind(config.task), config.seed).examples
print([float(label) for label in examples.labels[:5]])
"""
STARS = "text,label\na good film,★★★☆☆\na bad one,2 stars\nfine,3\nso so,4.0\npoor, ★ \nlost,many\n"


def test_a_task_is_a_folder_and_a_line() -> None:
    of_tasks = [(inside, file, table) for inside, file, table, _ in blocks() if "/tasks/" in file]
    assert {file for inside, file, _ in of_tasks if not inside} == {
        f"sftkeras/tasks/ordinal/{name}.py" for name in ("spec", "ratings", "reader", "task", "evaluation")
    }
    assert [(file, table) for inside, file, table in of_tasks if inside] == [("sftkeras/tasks/__init__.py", "TASKS")]
    lines = [code for inside, file, _, code in blocks() if inside]
    assert all(line.count("\n") == 1 for line in lines)


def test_its_label_kind_reads_what_no_other_does(tmp_path: Path) -> None:
    write_extended(tmp_path)
    (tmp_path / "stars.csv").write_text(STARS, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path), "SFTKERAS_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "[3.0, 2.0, 3.0, 4.0, 1.0]\n"), done.stderr
