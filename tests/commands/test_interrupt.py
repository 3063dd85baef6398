"""Ctrl-C at every stage: a clean stop without a traceback, which keeps what is worth keeping and nothing half made."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

from command_line import Running, run_several
from tiny_runs import Interrupted

# What a shell reports for both: Python ends itself by the signal if it was caught inside some C++ libraries.
STOPPED = (128 + signal.SIGINT, -signal.SIGINT)


def test_training_stops_with_the_best_weights_and_says_what_to_do(interrupted: Interrupted) -> None:
    assert interrupted.complained == ""
    *_, asked, kept, going_on, advice = interrupted.said.splitlines()
    assert asked == "Stopping after this step, with the state saved. A second ctrl-C stops at once."
    assert going_on == "The same command resumes from here."
    assert kept.startswith("Stopped. Kept: the weights of epoch ")
    assert kept.endswith(", the best so far.")
    assert advice.startswith("Export what there is with: ")
    assert advice.endswith("python -m sftkeras.export --run runs/tiny")
    assert any((interrupted.run / "state").glob("step-*.safetensors"))
    assert "Stopped." in (interrupted.run / "log.txt").read_text()
    assert not any((interrupted.folder / "saved_models").glob("*"))


def test_export_stops_with_no_half_version_and_works_afterwards(interrupted: Interrupted, tmp_path: Path) -> None:
    shutil.copytree(interrupted.run, tmp_path / "runs" / "tiny")
    models = tmp_path / "saved_models"
    exporting = Running("export", "--run=runs/tiny", cwd=tmp_path)
    exporting.wait_until(lambda: any(models.glob("tiny/.export-*/*")))
    assert exporting.press_ctrl_c() in STOPPED
    assert "Traceback" not in exporting.complained
    assert not any(models.glob("tiny/*"))

    judging = ["--model=runs/tiny", "--report.bootstrap=0"]
    exported, judged = run_several([("export", ["--run=runs/tiny"]), ("evaluate", judging)], cwd=tmp_path)
    assert exported.returncode == 0, exported.stderr
    assert [path.name for path in (models / "tiny").iterdir()] == ["1"]
    assert (models / "tiny" / "1" / "saved_model.pb").is_file()
    assert judged.returncode == 0, judged.stderr
    assert str(models / "tiny" / "1") in judged.stdout.splitlines()[-1]


def test_reading_stops_and_leaves_neither_a_run_nor_half_a_cache(
    tmp_path: Path, interrupted: Interrupted, session_cache: Path
) -> None:
    rows = (f"{'film ' * 20}{row},{'good' if row % 2 else 'bad'}\n" for row in range(500_000))
    (tmp_path / "many.csv").write_text("text,label\n" + "".join(rows))
    training = Running("train", *interrupted.words, "--data.train=many.csv", cwd=tmp_path)
    training.wait_until(lambda: any((session_cache / "data").glob(".*.partial")))
    assert training.press_ctrl_c() in STOPPED
    assert training.complained == ""
    assert not any((session_cache / "data").glob(".*.partial"))
    assert [path for name in ("runs", "saved_models") for path in (tmp_path / name).rglob("*")] == []
