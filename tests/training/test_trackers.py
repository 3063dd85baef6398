"""Trackers see what training sees, a resumed run goes on in the same place, and none of them can end a run.

The tests with the real packages are left out where these are not installed.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import pytest
from small_fit import Prepared, configured, prepare

from sftkeras.config import TrainConfig
from sftkeras.errors import SFTError
from sftkeras.pipeline import checks
from sftkeras.training.fit import Fitted, fit
from sftkeras.training.watching import trackers
from sftkeras.training.watching.trackers import Tracker


def fitted(prepared: Prepared) -> Fitted:
    return fit(prepared.model, prepared.train, prepared.validation, prepared.config, prepared.run)


class Book(keras.callbacks.Callback):
    """What a tracker was told."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: dict[int, dict[str, float]] = {}
        self.epochs: dict[int, dict[str, float]] = {}
        self.run_ids: list[str | None] = []
        self.ended: list[bool] = []
        self.fails = ""

    def start(self, config: TrainConfig, run_id: str | None) -> Tracker:
        self.fail("start")
        self.run_ids.append(run_id)
        return Tracker("run 7", [self], self.tell_step, self.tell_epoch, self.ended.append)

    def tell_step(self, step: int, figures: dict[str, float]) -> None:
        self.fail("step")
        self.steps[step] = figures

    def tell_epoch(self, epoch: int, figures: dict[str, float]) -> None:
        self.fail("epoch")
        self.epochs[epoch] = figures

    def fail(self, where: str) -> None:
        if self.fails == where:
            raise ConnectionError("the server\nis gone.")


@pytest.fixture
def book(monkeypatch: pytest.MonkeyPatch) -> Book:
    book = Book()
    monkeypatch.setitem(trackers._STARTS, "wandb", book.start)
    monkeypatch.setattr(trackers, "EVERY_STEPS", 3)
    return book


def test_a_missing_package_is_told_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SFTError, match=r"SFT107.*pip install 'sftkeras\[mlflow\]'"):
        checks.check_trackers(["mlflow"])
    checks.check_trackers([])


def test_steps_and_epochs_are_handed_on_with_where_the_time_went(tmp_path: Path, book: Book) -> None:
    prepared = prepare(tmp_path, configured(epochs=4, trackers=["wandb"]))
    result = fitted(prepared)
    assert list(book.steps) == [0, 3, 6]
    for step, figures in book.steps.items():
        assert figures["loss"] == pytest.approx(result.record.losses[step])
        assert {"time/input", "time/compute", "time/all_reduce", "time/checkpoint"} <= set(figures)
    assert [book.epochs[epoch]["val_loss"] for epoch in range(4)] == pytest.approx(
        [epoch["val_loss"] for epoch in result.record.epochs]
    )
    assert book.ended == [True]
    assert book.model is prepared.model
    assert json.loads((prepared.run.folder / "trackers.json").read_text()) == {"wandb": "run 7"}


def test_a_run_that_is_known_goes_on_under_its_name(tmp_path: Path, book: Book) -> None:
    prepared = prepare(tmp_path, configured(epochs=1, trackers=["wandb"]))
    (prepared.run.folder / "trackers.json").write_text('{"mlflow": "b", "wandb": "a"}')
    fitted(prepared)
    assert book.run_ids == ["a"]
    assert json.loads((prepared.run.folder / "trackers.json").read_text()) == {"mlflow": "b", "wandb": "run 7"}


@pytest.mark.parametrize("where", ["start", "step", "epoch"])
def test_a_tracker_that_fails_is_told_once_and_the_run_goes_on(
    tmp_path: Path, book: Book, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    book.fails = where
    whole = fitted(prepare(tmp_path / "without", configured(epochs=3)))
    capsys.readouterr()
    result = fitted(prepare(tmp_path / "with", configured(epochs=3, trackers=["wandb"])))
    assert result.record.losses == whole.record.losses
    # Of other codes, some tell what else this machine does.
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("SFT450")]
    assert said == [
        "SFT450  Weights & Biases: the server is gone. Training continues without it; TensorBoard has every figure."
    ]
    assert book.ended == []


def test_a_run_that_breaks_off_is_not_called_finished(
    tmp_path: Path, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = prepare(tmp_path, configured(epochs=2, trackers=["wandb"]))
    monkeypatch.setattr(prepared.model, "evaluate", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fitted(prepared)
    assert book.ended == [False]


# --- the real packages ---


def test_mlflow_has_the_curves_and_a_resumed_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow: Any = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setattr(trackers, "EVERY_STEPS", 2)
    monkeypatch.chdir(tmp_path)
    prepared = prepare(tmp_path, configured(epochs=2, trackers=["mlflow"]))
    result = fitted(prepared)
    client = mlflow.MlflowClient()
    (run_id,) = json.loads((prepared.run.folder / "trackers.json").read_text()).values()
    mlflow.flush_async_logging()
    found = client.get_run(run_id)
    assert found.info.status == "FINISHED"
    epochs = [metric.value for metric in client.get_metric_history(run_id, "val_loss")]
    assert epochs == pytest.approx([epoch["val_loss"] for epoch in result.record.epochs], rel=1e-4)
    steps = {metric.step: metric.value for metric in client.get_metric_history(run_id, "step/loss")}
    assert steps == pytest.approx({1: result.record.losses[0], 3: result.record.losses[2]}, rel=1e-4)

    again = trackers._start_mlflow(prepared.config, run_id)
    assert again.run_id == run_id
    again.end(False)
    assert client.get_run(run_id).info.status == "KILLED"


def test_wandb_has_the_curves_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb: Any = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setattr(trackers, "EVERY_STEPS", 2)
    logged: list[dict[str, float]] = []
    whole = wandb.Run.log

    def log(run: Any, figures: dict[str, float], **more: Any) -> None:
        logged.append(figures)
        whole(run, figures, **more)

    monkeypatch.setattr(wandb.Run, "log", log)
    prepared = prepare(tmp_path, configured(epochs=2, trackers=["wandb"]))
    result = fitted(prepared)
    steps = {row["batch/batch_step"]: row["batch/loss"] for row in logged if "batch/batch_step" in row}
    assert steps == pytest.approx({0: result.record.losses[0], 2: result.record.losses[2]})
    assert [row["epoch/val_loss"] for row in logged if "epoch/epoch" in row] == pytest.approx(
        [epoch["val_loss"] for epoch in result.record.epochs]
    )
    (run_id,) = json.loads((prepared.run.folder / "trackers.json").read_text()).values()
    assert list(tmp_path.glob(f"wandb/offline-run-*-{run_id}/run-{run_id}.wandb"))
    assert wandb.run is None, "the run is ended"


def test_wandb_without_a_key_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("wandb")
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    prepared = prepare(tmp_path, replace(configured(epochs=1, trackers=["wandb"])))
    assert fitted(prepared).record.epochs
    assert "SFT450  Weights & Biases: no key. Log in with `wandb login`" in capsys.readouterr().out


def test_mlflow_without_its_server_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    prepared = prepare(tmp_path, configured(epochs=1, trackers=["mlflow"]))
    assert fitted(prepared).record.epochs
    assert "SFT450  MLflow: " in capsys.readouterr().out
