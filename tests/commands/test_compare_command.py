"""`compare` puts a run beside what `evaluate` wrote, on the same rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from command_line import ONE_LINE, run_command

from sftkeras.compare import main
from sftkeras.config import CompareConfig

if TYPE_CHECKING:
    from conftest import Finished, Refuse


def test_a_run_and_its_own_evaluation_are_paired_and_equal(finished: Finished, tmp_path: Path) -> None:
    evaluation, output = str(tmp_path / "evaluation"), tmp_path / "comparison"
    done = run_command("evaluate", "--model", str(finished.run), "--output", evaluation, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    done = run_command("compare", str(finished.run), evaluation, "--output", str(output), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Accuracy" in done.stdout
    assert f"Comparison  {output}/comparison.html" in done.stdout
    written = json.loads((output / "comparison.json").read_text())
    assert written["paired"] == [True, True]
    assert written["figures"]["accuracy"][1]["difference_interval"] == [0, 0]
    assert written["notes"] == []
    assert (output / "learning-curves.png").exists()


def test_a_mistake_is_one_line(finished: Finished, refuse: Refuse, tmp_path: Path) -> None:
    run = str(finished.run)
    assert refuse(main, CompareConfig, run).startswith("SFT618  runs to compare: 1.")
    assert refuse(main, CompareConfig, run, str(tmp_path)).startswith(f"SFT619  {tmp_path}: nothing to compare here")
    (tmp_path / "comparison.json").touch()
    told = refuse(main, CompareConfig, run, run, "--output", str(tmp_path))
    assert told.startswith(f"SFT110  {tmp_path} already holds a report.")
    assert ONE_LINE.fullmatch(f"{told}\n")
