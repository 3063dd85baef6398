"""A published module: the encoder it was made of, by public names, for whoever has TensorFlow."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hub_modules import BERT, ENCODERS
from published import publication, write_module
from tiny_folders import PLAIN, POSITIONS, Checkpoint, ragged_inputs, write_keras_hub

from sftkeras.backbones import Backbone, load_backbone
from sftkeras.backbones.tfhub.names import HUB_INPUTS, hub_names
from sftkeras.errors import SFTError

SOURCES: dict[str, Callable[[Path], Path]] = {
    "BERT": PLAIN.write,
    "no pooler, other settings": Checkpoint(pooler=False, hidden_act="silu", layer_norm_eps=1e-5).write,
    "KerasHub": write_keras_hub,
    "ELECTRA": ENCODERS["ELECTRA"].write,
    "ALBERT": ENCODERS["ALBERT"].write,
}


@dataclass
class Published:
    """A module and what it was made of."""

    backbone: Backbone
    folder: Path

    @functools.cached_property
    def module(self) -> Any:
        """The module, loaded."""
        return tf.saved_model.load(str(self.folder))

    def inputs(self) -> dict[str, np.ndarray]:
        """Random tokens by our names."""
        inputs = ragged_inputs()
        return inputs | {"token_ids": inputs["token_ids"] % self.backbone.tokenizer.size}

    def hub_inputs(self) -> dict[str, tf.Tensor]:
        """The same by the names of public modules."""
        return {name: tf.constant(self.inputs()[ours]) for name, ours in HUB_INPUTS.items()}


@pytest.fixture(scope="module")
def publish(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Published]:
    """Publishes one of `SOURCES`; each once."""

    @functools.cache
    def publish(name: str) -> Published:
        folder = tmp_path_factory.mktemp("published")
        backbone = load_backbone(SOURCES[name](folder / "source"), max_length=POSITIONS, mode="native")
        return Published(backbone, write_module(backbone, folder / "module"))

    return publish


@pytest.fixture(params=SOURCES)
def published(publish: Callable[[str], Published], request: pytest.FixtureRequest) -> Published:
    return publish(request.param)


@pytest.fixture
def bert(publish: Callable[[str], Published]) -> Published:
    return publish("BERT")


def test_it_gives_what_the_encoder_gives(published: Published) -> None:
    found = published.module(published.hub_inputs())
    expected = published.backbone.model(published.inputs(), training=False)
    np.testing.assert_allclose(found["sequence_output"], expected["sequence_output"], atol=1e-5)
    if published.backbone.has_pooler:
        np.testing.assert_allclose(found["pooled_output"], expected["pooled_output"], atol=1e-5)
    np.testing.assert_array_equal(found["default"], found["pooled_output"])
    assert len(found["encoder_outputs"]) == published.backbone.model.num_layers
    np.testing.assert_array_equal(found["encoder_outputs"][-1], found["sequence_output"])
    assert not np.allclose(found["encoder_outputs"][0], found["encoder_outputs"][-1], atol=0.1)


def test_loaded_natively_every_weight_and_rule_is_the_same(published: Published) -> None:
    again = load_backbone(published.folder, max_length=POSITIONS, mode="native")
    pooler = published.backbone.has_pooler
    assert again.has_pooler == pooler
    for (variable, name), (found, found_name) in zip(
        hub_names(published.backbone.model, pooler), hub_names(again.model, pooler), strict=True
    ):
        assert name == found_name
        np.testing.assert_array_equal(found.numpy(), variable.numpy(), err_msg=name)
    assert again.tokenizer.fingerprint == published.backbone.tokenizer.fingerprint
    assert again.max_positions == published.backbone.max_positions
    expected = published.backbone.model(published.inputs(), training=False)["sequence_output"]
    np.testing.assert_array_equal(again.model(published.inputs(), training=False)["sequence_output"], expected)


def test_every_weight_has_a_gradient(published: Published) -> None:
    module = published.module
    with tf.GradientTape() as tape:
        outputs = module(published.hub_inputs(), training=True)
        loss = tf.reduce_sum(outputs["pooled_output"] ** 2) + tf.reduce_sum(outputs["sequence_output"] ** 3)
    gradients = tape.gradient(loss, module.trainable_variables)
    without = [
        variable.name
        for variable, gradient in zip(module.trainable_variables, gradients, strict=True)
        # A bias of all keys alike moves every score alike: softmax does not see it.
        if gradient is None or (not np.any(tf.convert_to_tensor(gradient)) and "/key/bias" not in variable.name)
    ]
    assert without == []
    assert len(module.trainable_variables) == len(module.variables)


def test_it_trains_as_an_opaque_module(bert: Published) -> None:
    keras.utils.set_random_seed(1)
    encoder = load_backbone(bert.folder, max_length=POSITIONS, mode="opaque").model
    model = keras.Model(encoder.input, keras.layers.Dense(1)(encoder.output["pooled_output"]))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    before = {variable.path: variable.numpy() for variable in encoder.trainable_variables}
    assert len(before) == len(list(hub_names(bert.backbone.model, pooler=True)))
    inputs = bert.inputs()
    model.fit(inputs, np.ones((len(inputs["token_ids"]), 1)), verbose=0)
    same = {
        variable.path for variable in encoder.trainable_variables if np.array_equal(before[variable.path], variable)
    }
    assert {path for path in same if "/key/bias" not in path} == set()


def test_dropout_is_on_in_training_alone(bert: Published) -> None:
    module, inputs = bert.module, bert.hub_inputs()
    quiet = [module(inputs, training=False)["pooled_output"] for _ in range(2)]
    np.testing.assert_array_equal(*quiet)
    np.testing.assert_array_equal(module(inputs)["pooled_output"], quiet[0])
    noisy = [module(inputs, training=True)["pooled_output"] for _ in range(2)]
    assert not np.allclose(noisy[0], quiet[0])
    assert not np.allclose(*noisy)


def test_a_module_starts_with_the_same_dropout_every_time_it_is_loaded(bert: Published) -> None:
    def first_step() -> np.ndarray:
        return tf.saved_model.load(str(bert.folder))(bert.hub_inputs(), training=True)["pooled_output"].numpy()

    np.testing.assert_array_equal(first_step(), first_step())


def test_its_names_are_those_of_public_modules(bert: Published) -> None:
    module = bert.module
    names = {variable.name.removesuffix(":0"): variable.shape.rank for variable in module.variables}
    assert names == {name: array.ndim for name, array in BERT.draw().items()}
    assert module.do_lower_case.numpy()
    assert module.do_lower_case.name == "Variable:0"
    vocabulary = Path(module.vocab_file.asset_path.numpy().decode())
    assert vocabulary.read_text(encoding="utf-8").split("\n")[:-1] == bert.backbone.tokenizer.vocabulary
    assert list(module.regularization_losses) == []


def test_without_a_pretrained_pooler_the_pooled_output_is_that_of_the_pooling(tmp_path: Path) -> None:
    backbone = load_backbone(Checkpoint(pooler=False).write(tmp_path / "source"), max_length=POSITIONS)
    inputs = ragged_inputs()
    mask = inputs["padding_mask"][:, :, np.newaxis]
    for pooling, pooled in {
        "mean": lambda tokens: (tokens * mask).sum(1) / mask.sum(1),
        "max": lambda tokens: np.where(mask, tokens, -np.inf).max(1),
        "cls": lambda tokens: tokens[:, 0],
    }.items():
        module = tf.saved_model.load(str(write_module(backbone, tmp_path / pooling, pooling)))
        outputs = module({name: tf.constant(inputs[ours]) for name, ours in HUB_INPUTS.items()})
        expected = pooled(outputs["sequence_output"].numpy())
        np.testing.assert_allclose(outputs["pooled_output"], expected, atol=1e-6, err_msg=pooling)
        assert not any("pooler" in variable.name for variable in module.variables)


def test_a_server_gets_a_signature_of_plain_tensors(bert: Published) -> None:
    served = bert.module.signatures["serving_default"](**bert.hub_inputs())
    called = bert.module(bert.hub_inputs())
    assert set(served) == {"default", "pooled_output", "sequence_output"}
    for name, tensor in served.items():
        np.testing.assert_allclose(tensor, called[name], atol=1e-5)


def test_publishing_leaves_the_encoder_as_it_was(tmp_path: Path) -> None:
    backbone = load_backbone(PLAIN.write(tmp_path / "source"), max_length=POSITIONS)
    kinds = [type(layer) for layer in backbone.model.transformer_layers]
    before = backbone.model(ragged_inputs(), training=False)["pooled_output"]
    write_module(backbone, tmp_path / "module")
    assert [type(layer) for layer in backbone.model.transformer_layers] == kinds
    np.testing.assert_array_equal(backbone.model(ragged_inputs(), training=False)["pooled_output"], before)


def test_nothing_of_the_machine_is_in_it(bert: Published) -> None:
    graph = (bert.folder / "saved_model.pb").read_bytes()
    assert str(bert.folder.parent).encode() not in graph
    assert b"/tmp/" not in graph
    assert b".py" not in graph


def test_an_odd_tokenizer_comes_back_whole(tmp_path: Path) -> None:
    rules = {"do_lower_case": False, "strip_accents": True, "tokenize_chinese_chars": False}
    source = PLAIN.write(tmp_path / "source")
    (source / "tokenizer_config.json").write_text(json.dumps(rules))
    backbone = load_backbone(source, max_length=POSITIONS)
    again = load_backbone(write_module(backbone, tmp_path / "module"), max_length=POSITIONS, mode="native")
    assert again.tokenizer.fingerprint == backbone.tokenizer.fingerprint


def test_a_fine_tuned_encoder_without_its_pooler_leaves_the_pooler_out(tmp_path: Path) -> None:
    backbone = load_backbone(PLAIN.write(tmp_path / "source"), max_length=POSITIONS)
    folder = write_module(replace(backbone, has_pooler=False), tmp_path / "module", "mean")
    again = load_backbone(folder, max_length=POSITIONS, mode="native")
    assert not again.has_pooler


def test_an_encoder_without_its_own_tokenizer_is_refused(bert: Published) -> None:
    with pytest.raises(SFTError, match=r"SFT378.*--backbone.preprocessor"):
        publication(replace(bert.backbone, tokenizer=None))


WITHOUT_FORM = {
    "roberta": "roberta",
    "xlm-roberta": "xlm_roberta",
    "distilbert": None,
    "deberta-v2": "deberta",
    "bert": "xlm_roberta",
}


@pytest.mark.parametrize("model_type", WITHOUT_FORM)
def test_an_encoder_that_public_modules_have_no_form_for_is_refused(model_type: str, tmp_path: Path) -> None:
    folder = Checkpoint(model_type, tokenizer_of=WITHOUT_FORM[model_type]).write(tmp_path)
    with pytest.raises(SFTError, match=f"SFT381.*{model_type} with a .*bert, electra, albert"):
        publication(load_backbone(folder, max_length=POSITIONS))
