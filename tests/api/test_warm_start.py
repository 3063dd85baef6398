"""A warm start begins with the encoder and the head of a finished run, or is refused with what differs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sftkeras
from sftkeras.api.settings import train_config
from sftkeras.config import BackboneConfig
from sftkeras.publishing.source import fine_tuned
from sftkeras.runs import RunFolder
from sftkeras.runs.restoring import write_backbone
from sftkeras.training.warm_start import with_warm_start

Rows = list[dict[str, str]]

pytestmark = pytest.mark.processes


def test_it_begins_where_the_earlier_run_was_best(finished: sftkeras.Run, tiny: dict[str, Any], rows: Rows) -> None:
    more = [*rows, {"text": "the lovely ending ending", "label": "positive"}]
    parts = {"train": more, "validation": rows[:20], "test": rows[20:40]}
    still = {"epochs": 1, "batch_size": 8, "early_stopping": {"monitor": "val_loss"}}
    settings = {**tiny, "training": still, "optimizer.learning_rate": 1e-12}
    del settings["backbone"]
    first = sftkeras.fine_tune(**{**settings, "name": "first"}, data=parts, start_from=finished.folder)
    expected = finished.evaluate(rows[20:40], report={"bootstrap": 0, "baselines": False})
    assert first.report["metrics"]["accuracy"] == expected["metrics"]["accuracy"]
    second = sftkeras.fine_tune(**{**settings, "name": "second"}, data=parts, start_from=first.folder)
    assert second.history[0]["val_loss"] == pytest.approx(first.history[0]["val_loss"], abs=1e-6)
    assert second.history[0]["loss"] == pytest.approx(first.history[0]["loss"], abs=1e-5)
    assert second.report["model"]["backbone"] == finished.report["model"]["backbone"]


def test_virtual_tokens_stay_in_a_run_that_begins_with_theirs(
    finished: sftkeras.Run, tiny: dict[str, Any], rows: Rows
) -> None:
    parts = {"train": rows[:20], "validation": rows[:20], "test": rows[20:40]}
    still = {"epochs": 1, "batch_size": 8, "early_stopping": {"monitor": "val_loss"}}
    settings = {**tiny, "data": parts, "training": still, "optimizer.learning_rate": 1e-12}
    del settings["backbone"]
    tuning = {"method": "prefix", "virtual_tokens": 4}
    first = sftkeras.fine_tune(**{**settings, "name": "first"}, tuning=tuning, start_from=finished.folder)
    second = sftkeras.fine_tune(**{**settings, "name": "second"}, start_from=first.folder)
    assert second.history[0]["val_loss"] == pytest.approx(first.history[0]["val_loss"], abs=1e-6)
    plain = sftkeras.fine_tune(**{**settings, "name": "plain"}, start_from=finished.folder)
    assert abs(plain.history[0]["val_loss"] - first.history[0]["val_loss"]) > 1e-5
    assert (first.folder / "adapter" / "adapter_config.json").exists()
    with pytest.raises(sftkeras.SFTError, match="SFT493"):
        write_backbone(RunFolder(second.folder), second.folder / "encoder")
    with pytest.raises(sftkeras.SFTError, match="SFT493"):
        fine_tuned(str(first.folder), "hugging_face")
    other = {"method": "prompt", "virtual_tokens": 5}
    with pytest.raises(sftkeras.SFTError, match=r"SFT463.*virtual tokens prefix 4 → prompt 5"):
        with_warm_start(train_config(None, name="more", start_from=str(first.folder), tuning=other))


def test_what_is_left_out_is_as_it_was(finished: sftkeras.Run) -> None:
    config = with_warm_start(train_config(None, name="more", start_from=str(finished.folder)))
    assert config.backbone.max_length == 32
    assert config.backbone.handle


def test_another_backbone_or_pooling_is_refused(finished: sftkeras.Run) -> None:
    other = BackboneConfig(handle="hf://an/other", pooling="max")
    with pytest.raises(sftkeras.SFTError, match=r"SFT463.*backbone\.handle .* → hf://an/other.*pooling mean → max"):
        with_warm_start(train_config(None, name="more", start_from=str(finished.folder), backbone=other))


def test_another_task_is_refused(finished: sftkeras.Run, tiny: dict[str, Any], rows: Rows) -> None:
    settings = {**tiny, "name": "more", "task": "regression", "data": rows}
    with pytest.raises(sftkeras.SFTError, match=r"SFT463.*task\.kind classification → regression"):
        sftkeras.fine_tune(**settings, start_from=finished.folder)


def test_the_head_grows_by_new_labels_and_keeps_those_that_the_data_lacks(
    finished: sftkeras.Run, tiny: dict[str, Any], rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    new = [{**row, "label": "awful"} if row["label"] == "positive" else row for row in rows]
    settings = {**tiny, "name": "more", "optimizer.learning_rate": 1e-12, "verbose": True}
    more = sftkeras.fine_tune(**settings, data=new, start_from=finished.folder)
    said = capsys.readouterr().out
    assert f'1 label new to {finished.folder}: "awful".' in said
    assert f'Labels of {finished.folder} without a row here, which the model keeps: "positive".' in said
    old, grown = (run.model.get_layer("logits") for run in (finished, more))
    np.testing.assert_allclose(grown.kernel[:, :2], old.kernel, atol=1e-6)
    np.testing.assert_allclose(grown.bias, [*np.asarray(old.bias), 0.0], atol=1e-6)
    assert 0 < np.abs(grown.kernel[:, 2]).max() < np.abs(old.kernel).max() / 5
    (predicted,) = more.predict(["a lovely film"])
    assert list(predicted["probabilities"]) == ["negative", "positive", "awful"]
    # Of the test part, evaluated anew, the labels have the numbers that they have in the model.
    again = more.evaluate(report={"bootstrap": 0, "baselines": False})
    assert again["metrics"] == pytest.approx(more.report["metrics"], abs=1e-5)


def test_a_label_in_another_writing_is_refused(finished: sftkeras.Run, tiny: dict[str, Any], rows: Rows) -> None:
    other = [{**row, "label": row["label"].capitalize()} for row in rows]
    with pytest.raises(sftkeras.SFTError, match=r'SFT464.*the label "Negative" of the data is "negative" in that run'):
        sftkeras.fine_tune(**{**tiny, "name": "more"}, data=other, start_from=finished.folder)


def test_a_run_does_not_start_from_itself(finished: sftkeras.Run) -> None:
    config = train_config(None, name="tiny", runs=str(finished.folder.parent), start_from=str(finished.folder))
    with pytest.raises(sftkeras.SFTError, match=r"SFT102.*would be lost"):
        with_warm_start(config)
