"""A tagging model leaves as the others do: raw strings in, spans out, the same through TensorFlow Serving's loader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_models import MAX_LENGTH, ORIGIN, VOCABULARY, Exported, build_model  # sets TensorFlow's environment first

import tensorflow as tf  # isort: skip

from sftkeras.exporting.contract import CARD, read_contract
from sftkeras.exporting.export import export
from sftkeras.exporting.prediction_process import PredictionProcess
from sftkeras.tasks import TextModel
from sftkeras.tasks.predictions import records
from sftkeras.tasks.tagging.task import Tagging
from sftkeras.text import WindowFeatures, WordPiece

TEXTS = ("Good film, café!", "", "bad " * 60, "電影 good 🎉 film", "\u200b\x00 x")


@pytest.fixture(scope="module", params=[False, True], ids=["free", "constrained"])
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, process: PredictionProcess
) -> Exported:
    task = Tagging(("PER", "très bon"), constrained_decoding=request.param)
    model = build_model(task, hidden=8)
    features = WindowFeatures(WordPiece(VOCABULARY, lowercase=True), max_length=MAX_LENGTH)
    text_model = TextModel(features, model.network, task)
    folder = tmp_path_factory.mktemp("saved_models") / "tags"
    return Exported(text_model, export(text_model, folder, origin=ORIGIN, sample_texts=TEXTS, process=process))


def test_the_export_answers_as_the_model(exported: Exported, process: PredictionProcess) -> None:
    process.load(exported.path)
    found = process.predict(TEXTS, batch_size=2)
    expected = {name: tensor.numpy() for name, tensor in exported.text_model(tf.constant(TEXTS)).items()}
    np.testing.assert_array_equal(found["start"], expected["start"])
    np.testing.assert_allclose(found["score"], expected["score"], atol=1e-5)
    some = 0
    for text, record in zip(TEXTS, records(found), strict=True):
        for entity in record["entities"]:
            assert text[entity["start"] : entity["end"]] == entity["text"]
            some += 1
    assert some > 10
    assert exported.version.parity < 1e-5


def test_a_file_that_lets_a_server_split_requests_is_warned_of(
    exported: Exported, process: PredictionProcess, tmp_path: Path
) -> None:
    (tmp_path / "batching.config").write_text("enable_large_batch_splitting { value: true }\n")
    version = export(exported.text_model, tmp_path / "tags", origin=ORIGIN, process=process)
    assert [warning.code for warning in version.warnings] == ["SFT516"]


def test_texts_are_the_only_way_to_ask(exported: Exported, process: PredictionProcess) -> None:
    process.load(exported.path)
    assert set(process.signatures) == {"serving_default"}
    assert process.signatures["serving_default"]["outputs"] == ["end", "label", "score", "start", "text"]
    outputs = read_contract(exported.path)["signatures"]["serving_default"]["outputs"]
    assert {name: output["shape"] for name, output in outputs.items()} == {key: [None, None] for key in outputs}


def test_stock_servers_can_load_it(exported: Exported) -> None:
    assert exported.version.minimum_server is not None
    assert not exported.version.warnings


def test_the_card_says_what_the_places_count(exported: Exported) -> None:
    card = (exported.path / CARD).read_text("utf-8")
    assert "`PER`, `très bon`" in card
    assert "count characters" in card
    assert f"more than {MAX_LENGTH} tokens are read in windows" in card
