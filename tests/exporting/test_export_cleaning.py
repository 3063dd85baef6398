"""Cleaning goes along: a run keeps it, an export has it in its graph, and raw texts are answered as in training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import ORIGIN, TASKS, build_model

from sftkeras.backbones import load_backbone
from sftkeras.config import TrainConfig
from sftkeras.exporting.export import export
from sftkeras.exporting.prediction_process import PredictionProcess
from sftkeras.runs import RunFolder
from sftkeras.runs.restoring import restore_model
from sftkeras.tasks import TextModel, attach_head
from sftkeras.tasks.classification.spec import ClassificationSettings
from sftkeras.text import Cleaning, Features, make_features

CLEANING = Cleaning(markup=True, unicode="nfkc", mask=["email", "phone"], spaces=True)
RAW = ["<b>g</b>ood&nbsp;&amp; ｂａｄ\n film<br/>", "call 138-0013-8000 or a.b@c.org, <i>good</i>", "", "bad film"]
CLEANED = ["good & bad film", "call <phone> or <email>, good", "", "bad film"]


def cleaned(features: Features) -> Features:
    """The same features for raw texts."""
    return make_features(features.tokenizer, max_length=24, pairs=features.pairs, cleaning=CLEANING)  # type: ignore[attr-defined]


@pytest.mark.parametrize("pairs", [False, True], ids=["single", "pairs"])
def test_an_export_cleans_as_training_did(pairs: bool, tmp_path: Path, process: PredictionProcess) -> None:
    assert CLEANING.clean(RAW) == CLEANED
    plain = build_model(TASKS["classification"], pairs=pairs)
    model = TextModel(cleaned(plain.features), plain.network, plain.task)
    version = export(model, tmp_path / "tiny", origin=ORIGIN, process=process)
    assert version.minimum_server == "2.18.0"
    given, clean = ((texts, texts[::-1] if pairs else None) for texts in (RAW, CLEANED))
    served = process.predict(*given)  # loaded as TensorFlow Serving loads it
    expected = plain(*(tf.constant(texts) for texts in clean if texts is not None))
    np.testing.assert_allclose(served["probabilities"], expected["probabilities"], atol=1e-5)
    assert len({tuple(row) for row in np.round(served["probabilities"], 4)}) > 1


def test_a_run_keeps_its_cleaning(tiny_bert_folder: Path, tmp_path: Path) -> None:
    backbone = load_backbone(tiny_bert_folder, max_length=24)
    task = TASKS["classification"]
    features = make_features(backbone.tokenizer, max_length=24, pairs=False, cleaning=CLEANING)
    model = TextModel(features, attach_head(backbone, task, "mean"), task)
    config = TrainConfig(task=ClassificationSettings(), name="cleaned", runs=str(tmp_path))
    run = RunFolder.plan(config)
    run.create(config)
    run.keep_model(model, backbone, "mean")
    model.network.save_weights(run.best_weights)
    restored = restore_model(RunFolder.open(run.folder))
    assert restored.features.fingerprint == features.fingerprint
    texts = tf.constant(RAW)
    np.testing.assert_array_equal(restored(texts)["probabilities"], model(texts)["probabilities"])
