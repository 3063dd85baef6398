"""Ctrl-C at every stage: a clean stop without a traceback, which keeps what is worth keeping and nothing half made."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
from command_line import Running, flags, run_command

# What a shell reports for both: Python ends itself by the signal if it was caught inside some C++ libraries.
STOPPED = (128 + signal.SIGINT, -signal.SIGINT)
RESUMABLE = 75


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("interrupt")


@pytest.fixture(scope="module")
def settings(tiny_bert_folder: Path, reviews_csv: Path) -> Sequence[str]:
    return flags(
        name="tiny",
        backbone__handle=tiny_bert_folder,
        backbone__max_length=32,
        data__train=reviews_csv,
        optimizer__learning_rate=0.01,
        training__batch_size=2,
        training__epochs=300,
        training__early_stopping__patience="null",
    )


@pytest.fixture(scope="module")
def interrupted(folder: Path, settings: Sequence[str]) -> Running:
    """A training that was stopped in its second epoch or a little later."""
    training = Running("train", *settings, cwd=folder)
    training.wait_until(lambda: "epoch 1/300" in training.said)
    assert training.press_ctrl_c() == RESUMABLE, training.said + training.complained
    return training


def test_training_stops_with_the_best_weights_and_says_what_to_do(interrupted: Running, folder: Path) -> None:
    assert interrupted.complained == ""
    *_, asked, kept, going_on, advice = interrupted.said.splitlines()
    assert asked == "Stopping after this step, with the state saved. A second ctrl-C stops at once."
    assert going_on == "The same command goes on from here."
    assert kept.startswith("Stopped. Kept: the weights of epoch ")
    assert kept.endswith(", the best so far.")
    assert advice.startswith("Export what there is with: ")
    assert advice.endswith("python -m sftkeras.export --run runs/tiny")
    assert any((folder / "runs/tiny/state").glob("step-*.safetensors"))
    assert "Stopped." in (folder / "runs/tiny/log.txt").read_text()
    assert not any((folder / "saved_models").glob("*"))


def test_export_stops_with_no_half_version_and_works_afterwards(interrupted: Running, folder: Path) -> None:
    models = folder / "saved_models"
    exporting = Running("export", "--run=runs/tiny", cwd=folder)
    exporting.wait_until(lambda: any(models.glob("tiny/.export-*/*")))
    assert exporting.press_ctrl_c() in STOPPED
    assert "Traceback" not in exporting.complained
    assert not any(models.glob("tiny/*"))

    done = run_command("export", "--run=runs/tiny", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (models / "tiny").iterdir()] == ["1"]
    assert (models / "tiny" / "1" / "saved_model.pb").is_file()

    judged = run_command("evaluate", "--model=runs/tiny", "--report.bootstrap=0", cwd=folder)
    assert judged.returncode == 0, judged.stderr
    assert judged.stdout.rstrip().endswith(str(models / "tiny" / "1"))


def test_reading_stops_and_leaves_neither_a_run_nor_half_a_cache(
    tmp_path: Path, settings: Sequence[str], session_cache: Path
) -> None:
    rows = (f"{'film ' * 20}{row},{'good' if row % 2 else 'bad'}\n" for row in range(500_000))
    (tmp_path / "many.csv").write_text("text,label\n" + "".join(rows))
    training = Running("train", *settings, "--data.train=many.csv", cwd=tmp_path)
    training.wait_until(lambda: any((session_cache / "data").glob(".*.partial")))
    assert training.press_ctrl_c() in STOPPED
    assert training.complained == ""
    assert not any((session_cache / "data").glob(".*.partial"))
    assert [path for name in ("runs", "saved_models") for path in (tmp_path / name).rglob("*")] == []
