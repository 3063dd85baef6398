"""The event files hold what is promised, at the steps it belongs to."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from small_fit import CONFIG, configured, prepare
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from sftkeras.training.fit import Fitted, fit
from sftkeras.training.watching.tensorboard import write_answers


def events(folder: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0, "scalars": 0, "images": 0})
    accumulator.Reload()
    return accumulator


def values(accumulator: EventAccumulator, tag: str) -> dict[int, float]:
    return {event.step: float(make_ndarray(event.tensor_proto)) for event in accumulator.Tensors(tag)}


def text(accumulator: EventAccumulator, tag: str) -> str:
    return accumulator.Tensors(tag)[0].tensor_proto.string_val[0].decode()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[EventAccumulator, Fitted, list[Path]]:
    config = configured(
        epochs=2, histograms=True, profile=[2, 3], optimizer={"schedule": "linear", "warmup": 0.5, "clip_norm": None}
    )
    prepared = prepare(tmp_path_factory.mktemp("run"), config)
    result = fit(prepared.model, prepared.train, prepared.validation, prepared.config, prepared.run)
    return events(prepared.run.tensorboard), result, list(prepared.run.tensorboard.rglob("*.xplane.pb"))


def test_each_step_has_its_figures(run: tuple[EventAccumulator, Fitted, list[Path]]) -> None:
    accumulator, result, _ = run
    losses = values(accumulator, "step/loss")
    assert list(losses) == [1, 2, 3, 4]
    assert list(losses.values()) == pytest.approx(result.record.losses)
    assert list(values(accumulator, "step/learning_rate").values()) == pytest.approx([0.025, 0.05, 0.05, 0.025])
    assert all(norm > 0 for norm in values(accumulator, "step/gradient_norm").values())
    for step, speed in values(accumulator, "speed/examples_per_second").items():
        record = result.record
        assert speed == pytest.approx(record.examples[step - 1] / record.seconds[step - 1], rel=1e-5)
    assert set(values(accumulator, "speed/tokens_per_second")) == {1, 2, 3, 4}


def test_each_epoch_has_its_figures(run: tuple[EventAccumulator, Fitted, list[Path]]) -> None:
    accumulator, result, _ = run
    for name in ("loss", "accuracy", "macro_f1", "val_loss", "val_accuracy", "val_macro_f1", "seconds"):
        found = values(accumulator, f"epoch/{name}")
        assert found == pytest.approx({epoch["epoch"]: epoch[name] for epoch in result.record.epochs})


def test_settings_histograms_and_profile_are_there(run: tuple[EventAccumulator, Fitted, list[Path]]) -> None:
    accumulator, _, traces = run
    assert "learning_rate: 0.05" in text(accumulator, "config")
    assert any(tag.startswith("weights/") for tag in accumulator.Tags()["tensors"])
    assert len(traces) == 1


def test_what_was_not_asked_for_is_not_there(tmp_path: Path) -> None:
    prepared = prepare(tmp_path, configured(epochs=1))
    fit(prepared.model, prepared.train, prepared.validation, prepared.config, prepared.run)
    assert not any(tag.startswith("weights/") for tag in events(prepared.run.tensorboard).Tags()["tensors"])
    assert not list(prepared.run.tensorboard.rglob("*.xplane.pb"))


def test_answers_of_the_export_are_written(tmp_path: Path) -> None:
    picture = tmp_path / "confusion.png"
    matplotlib.image.imsave(picture, np.zeros((4, 6, 3)))
    truth, probability = np.array([True, False, True, False]), np.array([0.9, 0.2, 0.6, 0.7], np.float32)
    write_answers(
        tmp_path / "events",
        CONFIG,
        metrics={"accuracy": 0.75, "undefined": None},
        pictures={"confusion": picture},
        curves={"odd": (truth, probability)},
        samples=[("a | b\nc", "odd", "even")],
    )
    accumulator = events(tmp_path / "events")
    assert values(accumulator, "test/accuracy") == pytest.approx({0: 0.75})
    tags = set(accumulator.Tags()["tensors"])
    assert {"test/confusion", "test/precision_recall/odd/pr_curves", "test/samples"} <= tags
    assert "test/undefined" not in tags
    assert "| a \\| b c | odd | even |" in text(accumulator, "test/samples")
    assert "_hparams_/session_start_info" in accumulator.summary_metadata
