"""A network that Keras saved loads again after `import sftkeras.layers`, and computes the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from backbones.hub_modules import BERT, write_text_module
from backbones.tiny_folders import DROPOUT, Checkpoint, ragged_inputs, write_keras_hub

import sftkeras.layers
from sftkeras.backbones import Backbone, load_backbone
from sftkeras.backbones.dropout import dropout_stream
from sftkeras.tasks import TASKS, Pooling, attach_head, make_task, spec_of
from sftkeras.tasks.masked_lm.task import POSITIONS

LENGTH = 12
TOKENIZERS = {"roberta": "roberta", "xlm-roberta": "xlm_roberta", "deberta-v2": "deberta"}
# Dropout of each kind is another, so that none takes the place of another.
RATES = {"hidden_dropout_prob": 0.2, "attention_probs_dropout_prob": 0.3}

BACKBONES: dict[str, Callable[[Path], Path]] = {
    **{
        kind: Checkpoint(
            kind, hidden_act="relu", layer_norm_eps=1e-12 if kind == "distilbert" else 1e-3, config=RATES
        ).write
        for kind in DROPOUT
    },
    "exact GELU": Checkpoint("bert").write,
    "tanh GELU": Checkpoint("bert", hidden_act="gelu_new").write,
    "KerasHub": write_keras_hub,
    "TF-Hub, rebuilt": BERT.write,
}


def loaded_again(network: keras.Model, folder: Path) -> keras.Model:
    network.save(folder / "network.keras")
    return keras.saving.load_model(folder / "network.keras")


def network_of(backbone: Backbone, kind: str, pooling: Pooling = "mean") -> keras.Model:
    labels = np.array([0, 1, 0, 1], np.int32)
    task = make_task(spec_of(kind).settings(), ("bad", "good"), labels, backbone.tokenizer)
    return attach_head(backbone, task, pooling)


def inputs_of(network: keras.Model, kind: str = "bert") -> dict[str, np.ndarray]:
    given = ragged_inputs(kind)
    if POSITIONS in network.input:
        given[POSITIONS] = np.array([[1, 0]] * len(given["token_ids"]), np.int32)
    return given


def settings_inside(network: keras.Model) -> list[tuple[str, object]]:
    """What every layer computes with, also those inside of others."""
    names = ("rate", "epsilon", "activation", "layer_number", "layer_count")
    return [
        (f"{type(layer).__name__} {name}", getattr(layer, name))
        for layer in network._flatten_layers()
        for name in names
        if hasattr(layer, name)
    ]


def assert_same(network: keras.Model, again: keras.Model, given: dict[str, np.ndarray]) -> None:
    np.testing.assert_array_equal(again(given), network(given))
    for layer in network._flatten_layers():
        if type(layer).__module__.startswith("sftkeras."):
            assert type(layer).__name__ in sftkeras.layers.__all__


@pytest.mark.parametrize("kind", BACKBONES)
def test_every_architecture_computes_the_same(kind: str, tmp_path: Path) -> None:
    backbone = load_backbone(BACKBONES[kind](tmp_path / "weights"), max_length=LENGTH)
    network = network_of(backbone, "classification", "cls")
    again = loaded_again(network, tmp_path)
    assert_same(network, again, inputs_of(network, kind))
    assert settings_inside(again) == settings_inside(network)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Checkpoint().write(tmp_path_factory.mktemp("bert"))


@pytest.mark.parametrize("kind", [kind for kind in TASKS if spec_of(kind).backbone_kind == "encoder"])
def test_every_task_computes_the_same(kind: str, bert: Path, tmp_path: Path) -> None:
    network = network_of(load_backbone(bert, max_length=LENGTH), kind)
    assert_same(network, loaded_again(network, tmp_path), inputs_of(network))


@pytest.mark.parametrize("kind", [kind for kind in TASKS if spec_of(kind).backbone_kind == "decoder"])
def test_every_task_of_decoders_computes_the_same(kind: str, tiny_decoder_folder: Path, tmp_path: Path) -> None:
    network = network_of(load_backbone(tiny_decoder_folder, max_length=LENGTH), kind)
    given = {
        "token_ids": np.array([[5, 6, 7, 8], [9, 5, 0, 0]], np.int32),
        "positions": np.array([[0, 1, 2, 3], [0, 1, 0, 0]], np.int32),
        "segments": np.array([[1, 1, 1, 1], [1, 1, 0, 0]], np.int32),
        "learned_positions": np.array([[1, 2], [0, 0]], np.int32),
        "learned_ids": np.array([[7, 8], [5, -1]], np.int32),
    }
    again = loaded_again(network, tmp_path)
    for name, values in network(given).items():
        np.testing.assert_array_equal(again(given)[name], values)
    assert {type(layer).__name__ for layer in again._flatten_layers() if "sftkeras" in type(layer).__module__} <= {
        *sftkeras.layers.__all__,
        "Decoder",
    }


@pytest.mark.parametrize("pooling", ["max", "markers"])
def test_every_pooling_computes_the_same(pooling: Pooling, bert: Path, tmp_path: Path) -> None:
    backbone = load_backbone(bert, max_length=LENGTH, extra_tokens=("[E1]", "[/E1]"))
    network = network_of(backbone, "classification", pooling)
    assert_same(network, loaded_again(network, tmp_path), inputs_of(network))


def test_a_head_of_masked_words_still_shares_the_embedding(bert: Path, tmp_path: Path) -> None:
    again = loaded_again(network_of(load_backbone(bert, max_length=LENGTH), "masked_lm"), tmp_path)
    heads = [layer for layer in again.layers if hasattr(layer, "embedding")]
    assert [head.embedding for head in heads] == [again.get_layer("token_embedding")]


def test_it_drops_the_same_units_by_the_same_seed(bert: Path, tmp_path: Path) -> None:
    network = network_of(load_backbone(bert, max_length=LENGTH), "classification")
    again, answers = loaded_again(network, tmp_path), []
    for model in (network, again):
        with dropout_stream(5, tf.constant(3)):
            answers.append(np.asarray(model(inputs_of(network), training=True)))
    np.testing.assert_array_equal(*answers)


def test_a_module_that_is_trained_as_it_is_says_what_to_do_instead(tmp_path: Path) -> None:
    network = network_of(load_backbone(write_text_module(tmp_path / "module"), max_length=LENGTH), "classification")
    with pytest.raises(NotImplementedError, match=r"sftkeras.publish --run"):
        network.save(tmp_path / "network.keras")
