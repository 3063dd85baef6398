"""Adapters as PEFT keeps them: read with equal outputs, written as they were read; see adapters_from_peft/make.py."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file, save_file
from tiny_decoders import TinyDecoder, batch

from sftkeras.backbones import Backbone
from sftkeras.backbones.dense.adaptive_rank import Orthogonality
from sftkeras.backbones.dense.low_rank import LowRankSettings
from sftkeras.backbones.fused_transformer import use_fused_encoder_layers
from sftkeras.backbones.hugging_face.adapter_files import CONFIG, WEIGHTS
from sftkeras.backbones.hugging_face.decoders.reading import load_decoder
from sftkeras.backbones.hugging_face.families import FAMILIES
from sftkeras.backbones.hugging_face.tensors import Tensors
from sftkeras.backbones.linear_parts import linear_parts
from sftkeras.config import TrainConfig, TuningConfig
from sftkeras.config.tuning import Method
from sftkeras.errors import SFTError
from sftkeras.tasks.classification.spec import ClassificationSettings
from sftkeras.tuning.adapters import (
    adapters_of,
    attach_adapters,
    attach_described,
    describe_adapters,
    make_plain_layers,
    write_adapter_files,
)
from sftkeras.tuning.needs import check_tuning

HERE = Path(__file__).parent
NAMES = tuple(f"{base}{kind}" for base in ("bert", "llama", "gpt2") for kind in ("", "-dora", "-ia3"))


def backbone(adapter: str, folder: Path) -> Backbone:
    name = re.sub("-(dora|ia3|adalora)$", "", adapter)
    if name not in FAMILIES:
        described = TinyDecoder(name)
        decoder = load_decoder(described.write(folder), described.config, dropout=None, weights=True)
        return Backbone(decoder, None, 32, False, "hugging_face", {}, kind="decoder")
    weights = HERE / "from_transformers" / name
    family = FAMILIES[name]
    encoder = family.build(json.loads((weights / "config.json").read_text()), None)
    use_fused_encoder_layers(encoder)
    tensors = Tensors(weights, f"{family.prefix}.")
    for weight in family.weights(encoder):
        weight.assign(tensors.read(weight))
    return Backbone(encoder, None, 12, True, "hugging_face", {})


def begun_with(folder: Path | str, adapter: str = "", **settings: object) -> TrainConfig:
    method = adapter.partition("-")[2] or "lora"
    tuning = TuningConfig(method=method, adapter=str(folder), **settings)  # type: ignore[arg-type]
    return TrainConfig(task=ClassificationSettings(), tuning=tuning)


def outputs(model: Backbone, tokens: np.ndarray) -> np.ndarray:
    """The vectors of an encoder, or the logits of a decoder, of one row."""
    if model.kind == "decoder":
        inputs = {name: tf.constant(array) for name, array in batch([tokens]).items()}
        return model.model.logits(model.model(inputs)["sequence_output"])[0].numpy()
    ones = tf.ones([1, len(tokens)], tf.int32)
    inputs = {"token_ids": tf.constant(tokens[None]), "segment_ids": 0 * ones, "padding_mask": ones}
    return model.model(inputs)["sequence_output"][0].numpy()


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_those_of_peft_before_and_after_merging(name: str, tmp_path: Path) -> None:
    folder = HERE / "adapters_from_peft" / name
    expected = np.load(folder / "outputs.npz")
    model = backbone(name, tmp_path / "base")
    attach_adapters(model, begun_with(folder, name))
    for merge in (lambda: None, lambda: make_plain_layers(model)):
        merge()
        difference = np.abs(outputs(model, expected["token_ids"]) - expected["outputs"]).max()
        assert difference < 1e-4 * np.abs(expected["outputs"]).max()
    assert not adapters_of(model)
    assert not [variable for variable in model.model.variables if "lora" in variable.path or "ia3" in variable.path]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_is_what_was_read(name: str, tmp_path: Path) -> None:
    folder, written = HERE / "adapters_from_peft" / name, tmp_path / "adapter"
    model = backbone(name, tmp_path / "base")
    attach_adapters(model, begun_with(folder, name))
    assert write_adapter_files(written, model, f"hf://{name}")
    again = backbone(name, tmp_path / "base")
    attach_adapters(again, begun_with(written, name))
    tokens = np.load(folder / "outputs.npz")["token_ids"]
    np.testing.assert_array_equal(outputs(again, tokens), outputs(model, tokens))
    theirs, ours = (json.loads((each / CONFIG).read_text()) for each in (folder, written))
    keys = ("peft_type", "task_type", "base_model_name_or_path", "use_rslora", "use_dora", "bias", "fan_in_fan_out")
    assert {key: ours.get(key) for key in keys} == {key: theirs.get(key) for key in keys}
    assert load_file(folder / WEIGHTS).keys() == load_file(written / WEIGHTS).keys()
    if name not in ("gpt2", "gpt2-dora"):  # of which a pair of theirs is three of ours
        tensors = load_file(written / WEIGHTS)
        assert all((tensors[key] == array).all() for key, array in load_file(folder / WEIGHTS).items())
        assert [ours.get(key) for key in ("r", "lora_alpha")] == [theirs.get(key) for key in ("r", "lora_alpha")]


def test_triplets_of_adalora_are_begun_with_as_pairs_of_lora(tmp_path: Path) -> None:
    folder = HERE / "adapters_from_peft" / "bert-adalora"
    expected = np.load(folder / "outputs.npz")
    model = backbone("bert", tmp_path)
    config = begun_with(folder)
    check_tuning(config)
    attach_adapters(model, config)
    difference = np.abs(outputs(model, expected["token_ids"]) - expected["outputs"]).max()
    assert difference < 1e-4 * np.abs(expected["outputs"]).max()
    assert {adapter.kind for adapter in adapters_of(model).values()} == {"lora"}


def test_triplets_of_adalora_are_merged_and_written_exactly(tmp_path: Path) -> None:
    model = backbone("bert", tmp_path)
    tuning = TuningConfig(method="adalora", rank=2, initial_rank=3, alpha=5.0)
    attach_adapters(model, replace(begun_with(""), tuning=tuning))
    for adapter in adapters_of(model).values():
        left, right, values = adapter.parameters
        for matrix in (left.numpy().T, right.numpy()):
            np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-6)
        assert not values.numpy().any()
        assert float(left.regularizer(left)) == pytest.approx(0, abs=1e-9)
        values.assign([0.5, 0, -2.0])
    tokens = np.arange(3, 10, dtype=np.int32)
    expected = outputs(model, tokens)
    assert write_adapter_files(tmp_path / "adapter", model, "base")
    assert describe_adapters(model)["0.query"]["kind"] == "adalora"
    make_plain_layers(model)
    np.testing.assert_allclose(outputs(model, tokens), expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    again = backbone("bert", tmp_path)
    attach_adapters(again, begun_with(tmp_path / "adapter"))
    np.testing.assert_allclose(outputs(again, tokens), expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    joined = backbone("gpt2", tmp_path / "gpt2")  # whose queries, keys and values are one module
    attach_adapters(joined, replace(begun_with(""), tuning=tuning))
    assert not write_adapter_files(tmp_path / "none", joined, "base")


def test_the_regularizer_is_the_squared_distance_from_orthogonal_vectors(tmp_path: Path) -> None:
    matrix = np.random.default_rng(3).normal(size=(5, 3)).astype(np.float32)
    expected = 0.3 * ((matrix.T @ matrix - np.eye(3)) ** 2).sum()
    for of_rows, given in ((False, matrix), (True, matrix.T)):
        assert float(Orthogonality(0.3, of_rows=of_rows)(tf.constant(given))) == pytest.approx(expected, rel=1e-6)


def test_pairs_of_several_ranks_are_written_with_patterns_that_peft_reads(tmp_path: Path) -> None:
    model = backbone("bert", tmp_path)
    both = {"0.query": LowRankSettings(2, 4.0), "1.query": LowRankSettings(3, 9.0)}
    attach_described(model, {name: vars(settings) for name, settings in both.items()})
    for adapter in adapters_of(model).values():
        adapter.parameters[1].assign(np.ones(adapter.parameters[1].shape))
    write_adapter_files(tmp_path / "adapter", model, "base")
    config = json.loads((tmp_path / "adapter" / CONFIG).read_text())
    module = "encoder.layer.1.attention.self.query"
    assert (config["rank_pattern"], config["alpha_pattern"]) == ({module: 3}, {module: 9.0})
    again = backbone("bert", tmp_path)
    attach_adapters(again, begun_with(tmp_path / "adapter"))
    assert describe_adapters(again) == {name: {"kind": "lora", **vars(settings)} for name, settings in both.items()}


def other(**settings: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = json.loads((folder / CONFIG).read_text())
        (folder / CONFIG).write_text(json.dumps(config | settings))

    return change


def with_tensor(name: str, *shape: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        save_file(load_file(folder / WEIGHTS) | {name: np.ones(shape, np.float32)}, folder / WEIGHTS)

    return change


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda folder: (folder / CONFIG).unlink(), "adapter_config.json cannot be read"),
        (lambda folder: (folder / WEIGHTS).write_bytes(b"x"), "adapter_model.safetensors cannot be read"),
        (other(peft_type="IA3"), "is of the kind IA3.* Set --tuning.method ia3"),
        (other(peft_type="LOHA"), "is of the kind LOHA, which is not supported. Give one of lora, dora, ia3"),
        (other(use_dora=True), "has use_dora true.* Set --tuning.method dora"),
        (other(bias="all"), 'has bias "all"'),
        (with_tensor("base_model.model.model.layers.0.mlp.up_proj.lora_A.weight", 2, 16), "fits no linear layer"),
        (with_tensor("base_model.model.x.lora_embedding_A", 2, 16), "x.lora_embedding_A fits no linear layer"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused(change: Callable[[Path], None], problem: str, tmp_path: Path) -> None:
    shutil.copytree(HERE / "adapters_from_peft" / "bert", tmp_path / "adapter")
    change(tmp_path / "adapter")

    def begin() -> None:
        config = begun_with(tmp_path / "adapter")
        check_tuning(config)  # what can be seen before TensorFlow is loaded
        attach_adapters(backbone("bert", tmp_path), config)

    with pytest.raises(SFTError) as raised:
        begin()
    assert raised.value.code == "SFT486"
    assert re.search(problem, str(raised.value))


def test_tensors_of_a_head_are_counted(tmp_path: Path) -> None:
    shutil.copytree(HERE / "adapters_from_peft" / "bert", tmp_path / "adapter")
    with_tensor("base_model.model.classifier.weight", 2, 16)(tmp_path / "adapter")
    notes = attach_adapters(backbone("bert", tmp_path), begun_with(tmp_path / "adapter"))
    assert any("1 tensor of its head" in note for note in notes)


@pytest.mark.parametrize(
    ("tuning", "chosen"),
    [
        ({"targets": ["query", "down"]}, {"0.query", "1.query", "0.down", "1.down"}),
        ({"targets": ["1.[qk]*", "up"], "layers": [1]}, {"1.query", "1.key", "1.up"}),
        ({"targets": ["up"], "freeze_first": 1}, {"1.up"}),
        ({"layers": [0]}, {f"0.{name}" for name in ("query", "key", "value", "output", "gate", "up", "down")}),
    ],
)
def test_targets_and_layers_choose(tuning: dict, chosen: set[str], tmp_path: Path) -> None:
    model = backbone("llama", tmp_path)
    assert len(linear_parts(model)) == 14
    attach_adapters(model, replace(begun_with(""), tuning=TuningConfig(method="lora", rank=2, **tuning)))
    assert describe_adapters(model).keys() == chosen


@pytest.mark.parametrize(
    ("tuning", "code"),
    [
        ({"targets": ["gate"]}, "SFT481"),
        ({"targets": ["7.query"]}, "SFT481"),
        ({"rank": 8}, "SFT482"),
        ({"layers": [2]}, "SFT484"),
    ],
)
def test_what_a_backbone_has_not_is_refused(tuning: dict, code: str, tmp_path: Path) -> None:
    config = replace(begun_with(""), tuning=TuningConfig(method="lora", **{"rank": 2, **tuning}))
    with pytest.raises(SFTError) as raised:
        attach_adapters(backbone("bert", tmp_path), config)
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"tuning": {"method": "lora", "targets": ["q_proj"]}}, "SFT481"),
        ({"tuning": {"method": "lora", "freeze_embeddings": True}}, "SFT483"),
        ({"tuning": {"method": "head", "unfreeze": 1}}, "SFT483"),
        ({"tuning": {"method": "head", "freeze_first": 1}}, "SFT483"),
        ({"tuning": {"method": "adalora", "unfreeze": 1}}, "SFT483"),
        ({"tuning": {"method": "adalora", "initial_rank": 4}}, "SFT483"),
        ({"tuning": {"method": "adapters"}, "export": {"transformers": "python"}}, "SFT483"),
        ({"tuning": {"freeze_first": 1, "freeze_embeddings": True}}, "SFT483"),
        ({"tuning": {"method": "lora", "freeze_first": 1, "layers": [1]}}, "SFT483"),
        ({"tuning": {"method": "lora", "adapter": "here", "rank": 4}}, "SFT486"),
    ],
)
def test_contradictions_are_refused_before_anything_is_loaded(settings: dict[str, dict], code: str) -> None:
    config = TrainConfig(task=ClassificationSettings())
    changed = {name: replace(getattr(config, name), **values) for name, values in settings.items()}
    with pytest.raises(SFTError) as raised:
        check_tuning(replace(config, **changed))
    assert raised.value.code == code


def test_each_method_has_a_learning_rate_of_its_own() -> None:
    rates = {
        method: TrainConfig(task=ClassificationSettings(), tuning=TuningConfig(method=method)).optimizer.learning_rate  # type: ignore[arg-type]
        for method in get_args(Method)
    }
    assert min(rates.values()) == rates["full"] == 5e-5
    assert (rates["lora"], rates["adalora"], rates["adapters"]) == (5e-4, 5e-4, 3e-4)
