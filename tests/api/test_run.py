"""A finished run gives its user a report, predictions, its model and new exports."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import sftkeras
from sftkeras.prediction import predictor
from sftkeras.prediction.predictor import Predictor

pytestmark = pytest.mark.processes


def test_it_predicts_texts_as_records(finished: sftkeras.Run) -> None:
    records = finished.predict(["the lovely film plot", "the awful film plot"])
    assert [record["text"] for record in records] == ["the lovely film plot", "the awful film plot"]
    assert {record["label"] for record in records} <= {"positive", "negative"}
    assert finished.predict("the lovely film plot")[0]["text"] == "the lovely film plot"


def test_it_is_exported_again_and_predicts_by_the_newest_version(
    finished: sftkeras.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[Predictor] = []
    load = predictor.load
    monkeypatch.setattr(predictor, "load", lambda version: loaded.append(load(version)) or loaded[-1])
    run = sftkeras.Run.open(shutil.copytree(finished.folder, tmp_path / "tiny"))
    expected = [run.predict("the lovely film plot"), run.predict("the lovely film plot")][1]
    assert [one.name for one in loaded] == [str(finished.version)]
    version = run.export(str(tmp_path / "saved_models"))
    assert version == run.version == tmp_path / "saved_models" / "tiny" / "1"
    assert run.predict("the lovely film plot") == expected  # of equal weights
    assert [one.name for one in loaded] == [str(finished.version), str(version)]


def test_it_is_evaluated_on_rows_in_memory(finished: sftkeras.Run, tmp_path: Path) -> None:
    rows = [("the great film plot", "positive"), ("the boring film plot", "negative")]
    report = finished.evaluate(rows, report={"bootstrap": 0, "baselines": False}, output=tmp_path / "report")
    assert report["examples"] == {"test": 2}
    assert (tmp_path / "report" / "report.html").exists()
    with pytest.raises(sftkeras.SFTError, match=r"SFT214.*row 2") as refused:
        finished.evaluate([rows[0], ("a film", "middling")])
    assert "--" not in str(refused.value)


def test_its_model_is_a_plain_keras_model(finished: sftkeras.Run) -> None:
    import keras

    assert isinstance(finished.model, keras.Model)
    inputs = {tensor.name: np.ones((1, 4), "int32") for tensor in finished.model.inputs}
    assert finished.model(inputs).shape == (1, 2)


def test_it_shows_its_report_in_a_notebook(finished: sftkeras.Run) -> None:
    page = finished._repr_html_()
    assert page.startswith("<iframe")
    assert "&lt;svg" in page  # its pictures
    assert "<html" not in page  # it is escaped


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(sftkeras.SFTError, match="SFT109"):
        sftkeras.Run.open(tmp_path)
