"""What a user gets of a finished run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sftkeras

pytestmark = pytest.mark.processes


def test_it_predicts_texts_as_records(finished: sftkeras.Run) -> None:
    records = finished.predict(["the lovely film plot", "the awful film plot"])
    assert [record["text"] for record in records] == ["the lovely film plot", "the awful film plot"]
    assert {record["label"] for record in records} <= {"positive", "negative"}
    assert finished.predict("the lovely film plot")[0]["text"] == "the lovely film plot"


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
    assert "data:image" in page
    assert "<html" not in page  # it is escaped


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(sftkeras.SFTError, match="SFT109"):
        sftkeras.Run.open(tmp_path)
