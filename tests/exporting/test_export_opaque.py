"""Encoders and preprocessors that are TF-Hub modules, in an export: weights once, their files inside, equal bytes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from backbones.hub_modules import BERT, write_text_module
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef
from tiny_models import TASKS

from sftkeras.backbones import Backbone, load_backbone
from sftkeras.backbones.tfhub import opaque
from sftkeras.exporting.prediction_process import PredictionProcess
from sftkeras.exporting.saved_model import write_saved_model
from sftkeras.tasks import TextModel, attach_head
from sftkeras.text import make_features

TEXTS = ["the good film", "", "a bad plot 🎬"]


def load_texts(folder: Path) -> Backbone:
    return opaque.load(folder / "text", max_length=16, dropout=None, preprocessor=None)


def load_tokens(folder: Path) -> Backbone:
    return opaque.load(folder / "tokens", max_length=16, dropout=None, preprocessor=folder / "preprocessor")


def load_native(folder: Path) -> Backbone:
    return load_backbone(folder / "tokens", max_length=16, mode="native", preprocessor=folder / "preprocessor")


LOADS: dict[str, Callable[[Path], Backbone]] = {"texts": load_texts, "tokens": load_tokens, "native": load_native}


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory, preprocessor_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("modules")
    write_text_module(folder / "text")
    BERT.write(folder / "tokens")
    shutil.copytree(preprocessor_folder, folder / "preprocessor")
    return folder


def text_model(backbone: Backbone) -> TextModel:
    task = TASKS["classification"]
    network = attach_head(backbone, task, "mean")
    for weight in network.trainable_weights:  # the head begins at random
        if "logits" in weight.path:
            weight.assign(tf.reshape(tf.linspace(-1.0, 1.0, tf.size(weight)), weight.shape))
    return TextModel(make_features(backbone.tokenizer, max_length=16, pairs=False), network, task)


@dataclass(frozen=True)
class Exported:
    """An export of modules that are gone, and what their model predicted for `TEXTS`."""

    kind: str
    folder: Path
    graph: MetaGraphDef
    parameter_bytes: int
    expected: np.ndarray


@pytest.fixture(scope="module", params=LOADS)
def exported(request: pytest.FixtureRequest, modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("exported")
    moved = Path(shutil.copytree(modules, folder / "modules"))
    model = text_model(LOADS[request.param](moved))
    expected = model(tf.constant(TEXTS))["probabilities"].numpy()
    graph, parameter_bytes = write_saved_model(model, folder / "export")
    shutil.rmtree(moved)
    elsewhere = Path(shutil.move(folder / "export", folder / "elsewhere"))
    return Exported(request.param, elsewhere, graph, parameter_bytes, expected)


def test_an_export_needs_nothing_of_the_module(exported: Exported, process: PredictionProcess) -> None:
    process.load(exported.folder)
    answers = process.run("serving_default", {"text": TEXTS})
    np.testing.assert_allclose(answers["probabilities"], exported.expected, atol=1e-6)
    stored = (exported.folder / "variables" / "variables.data-00000-of-00001").stat().st_size
    assert stored < 1.1 * exported.parameter_bytes + 4096  # each once
    assert ("serve_tokens" in exported.graph.signature_def) == (exported.kind != "texts")
    assert os.fsencode(exported.folder.parent) not in (exported.folder / "saved_model.pb").read_bytes()


def test_writing_it_again_gives_equal_bytes(exported: Exported, modules: Path, tmp_path: Path) -> None:
    tf.saved_model.load(str(modules / "text"))  # numbers go on
    write_saved_model(text_model(LOADS[exported.kind](modules)), tmp_path)
    files = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert len(files) == 5  # the graph, its fingerprint, two of variables, the table's words
    for file in files:
        assert (tmp_path / file).read_bytes() == (exported.folder / file).read_bytes(), file
