"""Every architecture goes the whole way: folder → a step of training → run → export → answers of a fresh process."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from forked import forked_predictions
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tiny_folders import Checkpoint

from sftkeras.backbones import Backbone, load_backbone
from sftkeras.backbones import dropout as drawing
from sftkeras.backbones.dropout import StreamDropout, dropout_stream
from sftkeras.backbones.fused_deberta import FusedDisentangledEncoder
from sftkeras.backbones.fused_transformer import FusedTransformerEncoder
from sftkeras.backbones.hugging_face.families import FAMILIES
from sftkeras.exporting.contract import ModelOrigin
from sftkeras.exporting.export import export
from sftkeras.exporting.prediction_process import PredictionProcess
from sftkeras.exporting.saved_model import write_saved_model
from sftkeras.runs import RunFolder
from sftkeras.runs.restoring import restore_model
from sftkeras.tasks import TextModel, attach_head
from sftkeras.tasks.classification.task import Classification
from sftkeras.text import TextFeatures

ORIGIN = ModelOrigin(backbone="a folder", data={"train": "reviews.csv"}, rows={"train": 4})
FUSED = (FusedTransformerEncoder, FusedDisentangledEncoder)
TEXTS = ["A good film.", "a bad film: 9,99", "", "Café 日本 👍"]
CHECKPOINTS = {
    "bert": Checkpoint(),
    "electra": Checkpoint("electra"),
    "albert": Checkpoint("albert", config={"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}),
    "albert, sentence pieces": Checkpoint("albert", sentence_piece=True),
    "roberta, byte pairs": Checkpoint("roberta", tokenizer_of="roberta", layer_norm_eps=1e-5),
    "xlm-roberta": Checkpoint("xlm-roberta", tokenizer_of="xlm_roberta", layer_norm_eps=1e-5),
    "distilbert": Checkpoint("distilbert"),
    "deberta": Checkpoint("deberta-v2", tokenizer_of="deberta", layer_norm_eps=1e-7),
    # multilingual-e5-small is such a mixture
    "bert, XLM-R's pieces": Checkpoint("bert", tokenizer_of="xlm_roberta"),
}


def build(checkpoint: Checkpoint, folder: Path, *, pairs: bool = False) -> TextModel:
    return with_head(load_backbone(checkpoint.write(folder), max_length=12), pairs=pairs)


def with_head(backbone: Backbone, *, pairs: bool = False) -> TextModel:
    keras.utils.set_random_seed(1)
    task = Classification(("bad", "good"))
    assert backbone.tokenizer is not None
    features = TextFeatures(backbone.tokenizer, max_length=12, pairs=pairs)
    return TextModel(features, attach_head(backbone, task, "cls"), task)


@pytest.fixture(scope="module")
def process() -> Iterator[PredictionProcess]:
    with forked_predictions():
        process = PredictionProcess()
    with process:
        yield process


def step(model: TextModel, number: int) -> tuple[float, list[tf.Tensor]]:
    """The loss and the gradients of one training step."""
    network = model.network
    with dropout_stream(17, number), tf.GradientTape() as tape:
        logits = network(model.features(tf.constant(TEXTS)), training=True)
        loss = tf.reduce_mean(model.task.loss(tf.constant([1, 0, 0, 1]), logits))
    return float(loss), tape.gradient(loss, [weight.value for weight in network.trainable_weights])


def test_every_architecture_is_here() -> None:
    assert {checkpoint.model_type for checkpoint in CHECKPOINTS.values()} == set(FAMILIES)


def restored(model: TextModel, backbone: Backbone, run: RunFolder) -> TextModel:
    """The model again, from what a run keeps of it."""
    run.states.mkdir(parents=True)
    run.keep_model(model, backbone, "cls")
    model.network.save_weights(run.best_weights)
    return restore_model(run)


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_a_trained_model_answers_in_a_fresh_process(kind: str, tmp_path: Path, process: PredictionProcess) -> None:
    folder = CHECKPOINTS[kind].write(tmp_path / "folder")
    backbone = load_backbone(folder, max_length=12)
    model = with_head(backbone)
    assert any(type(layer) in FUSED for layer in model.network._flatten_layers())
    before = [weight.numpy() for weight in model.network.trainable_weights]
    first, gradients = step(model, 0)
    assert all(gradient is not None for gradient in gradients)
    keras.optimizers.SGD(0.01).apply(gradients, model.network.trainable_weights)
    # Adding the same number to every attention score changes nothing, so the key's bias has no gradient.
    unchanged = [
        weight.path
        for weight, old in zip(model.network.trainable_weights, before, strict=True)
        if np.array_equal(weight, old) and ("key/bias" not in weight.path or kind == "deberta")
    ]
    assert unchanged == []
    assert step(model, 0)[0] < first
    again = restored(model, backbone, RunFolder(tmp_path / "run"))
    shutil.rmtree(folder)
    version = export(again, tmp_path / "tiny", origin=ORIGIN, process=process)
    assert version.parity <= 1e-5
    answers, expected = process.predict(TEXTS), model(tf.constant(TEXTS))
    np.testing.assert_allclose(answers["probabilities"], expected["probabilities"], atol=1e-5)


@pytest.mark.parametrize("kind", ["electra", "albert, sentence pieces", "roberta, byte pairs", "deberta"])
def test_a_model_is_exported_to_the_same_bytes_each_time(kind: str, tmp_path: Path) -> None:
    for name in ("first", "second"):
        tf.function(lambda x: x + 1)(tf.constant(1))  # what the process traces in between must not show
        write_saved_model(build(CHECKPOINTS[kind], tmp_path / "folder", pairs=True), tmp_path / name)
    first, second = (tmp_path / name / "saved_model.pb" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    (graph,) = SavedModel.FromString(first.read_bytes()).meta_graphs
    nodes = [node for function in graph.graph_def.library.function for node in function.node_def]
    models = [node for node in (*graph.graph_def.node, *nodes) if node.op == "SentencepieceOp"]
    has_model = kind in ("deberta", "albert, sentence pieces")
    assert len(models) == has_model, "the graph is to hold the SentencePiece model once"


# Dropout layers that draw in a step: one after the embeddings, those of each layer, and the head's.
DRAWS = {
    "albert": 1 + 2 * 3 + 1,  # two runs of one layer
    "roberta, byte pairs": 1 + 2 * 3 + 1,
    "distilbert": 1 + 2 * 2 + 1,  # which drops nothing after attention
    "deberta": 1 + 2 * 4 + 1,  # which drops relative positions too
}


@pytest.mark.parametrize("kind", DRAWS)
def test_each_dropout_of_a_step_is_drawn_by_itself(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build(CHECKPOINTS[kind], tmp_path)
    dropout = [layer for layer in model.network._flatten_layers() if isinstance(layer, keras.layers.Dropout)]
    assert all(type(layer) is StreamDropout for layer in dropout)
    masks: list[bytes] = []
    monkeypatch.setattr(drawing, "_random_bytes", recording(drawing._random_bytes, masks))
    step(model, 0)
    assert len(masks) == len(set(masks)) == DRAWS[kind]


def recording(draw: Callable[..., tf.Tensor], masks: list[bytes]) -> Callable[..., tf.Tensor]:
    def record(*arguments: Any) -> tf.Tensor:
        drawn = draw(*arguments)
        masks.append(drawn.numpy().tobytes())
        return drawn

    return record
