"""The event files hold what is promised, at the steps it belongs to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from small_fit import CONFIG, configured, prepare
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2, get_experiment, list_session_groups
from tensorboard.plugins.hparams.backend_context import Context
from tensorboard.util.tensor_util import make_ndarray

from sftkeras.training.fit import Fitted, fit
from sftkeras.training.watching.tensorboard import write_evaluation


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
    write_evaluation(
        tmp_path / "events",
        CONFIG,
        metrics={"accuracy": 0.75, "undefined": None},
        headline="accuracy",
        best_epoch={"epoch": 2, "val_loss": 0.5},
        pictures={"confusion": picture},
        curves={"odd": (truth, probability)},
        samples=[("a | b\nc", "odd", "even")],
    )
    accumulator = events(tmp_path / "events")
    assert values(accumulator, "test/accuracy") == pytest.approx({0: 0.75})
    tags = set(accumulator.Tags()["tensors"])
    assert {"test/confusion", "test/precision_recall/odd/pr_curves", "test/samples"} <= tags
    assert accumulator.summary_metadata["test/confusion"].plugin_data.plugin_name == "images"
    shown = accumulator.Tensors("test/confusion")[0].tensor_proto.string_val
    assert list(shown) == [b"6", b"4", picture.read_bytes()]  # width, height and the file
    assert "test/undefined" not in tags
    assert "| a \\| b c | odd | even |" in text(accumulator, "test/samples")
    assert "_hparams_/session_start_info" in accumulator.summary_metadata


COMPARED = ["compare/learning_rate", "compare/test_accuracy", "compare/val_loss"]


def hparams_page(logs: Path) -> tuple[api_pb2.Experiment, dict[str, api_pb2.SessionGroup]]:
    """The columns and, by name, the trials that TensorBoard's HParams page has of the runs in a folder."""
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(logs)).Reload()
    request, context = (
        RequestContext(),
        Context(TBContext(data_provider=MultiplexerDataProvider(multiplexer, str(logs)))),
    )
    trials = list_session_groups.Handler(
        request,
        context,
        "",
        api_pb2.ListSessionGroupsRequest(allowed_statuses=[api_pb2.STATUS_UNKNOWN], slice_size=100),
    ).run()
    return (
        get_experiment.Handler(request, context, "", api_pb2.GetExperimentRequest(include_metrics=True)).run(),
        {group.name: group for group in trials.session_groups},
    )


def test_hparams_page_names_runs_and_shows_score_and_learning_rate_first(tmp_path: Path) -> None:
    for number, name in enumerate(("small", "other")):
        config = replace(configured(epochs=2, optimizer={"learning_rate": 0.01 * (number + 1)}), name=name)
        prepared = prepare(tmp_path / name, config)
        fitted = fit(prepared.model, prepared.train, prepared.validation, config, prepared.run)
        write_evaluation(
            prepared.run.tensorboard,
            config,
            metrics={"accuracy": 0.5 + number / 4},
            headline="accuracy",
            best_epoch=fitted.best_figures,
            pictures={},
            curves={},
            samples=[],
        )
        best = min(epoch["val_loss"] for epoch in fitted.record.epochs)
        trial = hparams_page(tmp_path)[1][name]
        found = {value.name.tag: value.value for value in trial.metric_values}
        assert [found[tag] for tag in COMPARED] == pytest.approx([0.01 * (number + 1), 0.5 + number / 4, best])
        assert trial.hparams["optimizer.learning_rate"].number_value == 0.01 * (number + 1)
    experiment, trials = hparams_page(tmp_path)
    assert trials.keys() == {"small", "other"}
    assert [metric.name.tag for metric in experiment.metric_infos][:3] == COMPARED
    assert {setting.name for setting in experiment.hparam_infos if setting.differs} == {
        "name",
        "optimizer.learning_rate",
    }


def test_run_interrupted_in_its_first_epoch_has_no_validation_figure_to_compare(tmp_path: Path) -> None:
    write_evaluation(
        tmp_path,
        CONFIG,
        metrics={"accuracy": None},
        headline="accuracy",
        best_epoch={},
        pictures={},
        curves={},
        samples=[],
    )
    tags = events(tmp_path).Tags()["tensors"]
    assert [tag for tag in tags if tag.startswith(("test/", "compare/"))] == ["compare/learning_rate", "test/samples"]
