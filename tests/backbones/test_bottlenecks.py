"""Bottleneck adapters compute what the paper says, where it says, and stay: in decoding, in files, when trimmed."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file
from test_adapter_files import backbone, begun_with, outputs
from tiny_decoders import TinyDecoder, batch

from sftkeras.backbones import Backbone
from sftkeras.backbones.bottlenecks import (
    bottlenecks_of,
    describe_bottlenecks,
    put_described,
    with_stored_bottlenecks,
    write_bottlenecks,
)
from sftkeras.backbones.decoders.joined import JoinedDecoder
from sftkeras.backbones.dense.adapters import sizes
from sftkeras.backbones.dense.operations import dense
from sftkeras.backbones.dense.rounded_weights import RoundedWeights
from sftkeras.backbones.hugging_face.tensors import BOTTLENECKS
from sftkeras.backbones.linear_parts import Place, linear_parts
from sftkeras.backbones.trimming import trim
from sftkeras.config import TuningConfig
from sftkeras.errors import SFTError
from sftkeras.tuning.adapters import make_plain_layers
from sftkeras.tuning.bottlenecks import add_bottlenecks
from sftkeras.tuning.needs import check_tuning

FAMILIES = ("bert", "deberta-v2", "albert", "llama", "gpt2", "gemma2")
TOKENS = np.arange(3, 10, dtype=np.int32)


def with_bottlenecks(name: str, folder: Path, **tuning: object) -> Backbone:
    """A tiny backbone whose adapters have weights of some size."""
    model = backbone(name, folder)
    config = replace(begun_with(""), tuning=TuningConfig(method="adapters", bottleneck=3, **tuning))  # type: ignore[arg-type]
    add_bottlenecks(model, config)
    for number, bottleneck in enumerate(bottlenecks_of(model).values()):
        draw = np.random.default_rng(number)
        for variable in bottleneck.parameters:
            variable.assign(draw.normal(0, 0.3, variable.shape))
    return model


@pytest.mark.parametrize("name", FAMILIES)
def test_they_stand_right_after_attention_and_the_feed_forward_part(name: str, tmp_path: Path) -> None:
    """ReLU that lets all pass makes them linear: then another kernel and bias of the layer before do the same."""
    model, same = with_bottlenecks(name, tmp_path / "one", activation="relu"), backbone(name, tmp_path / "other")
    found = bottlenecks_of(model)
    assert {place for _, place in found} == {"output", "down"}
    assert len(found) == 2 * len(model.layers)
    for place, bottleneck in found.items():
        down, _, up, _ = (variable.numpy() for variable in bottleneck.parameters)
        high = np.full(3, 200, np.float32)
        bottleneck.parameters[1].assign(high)
        bottleneck.parameters[3].assign(-high @ up)  # there may be no bias to hold this
        multiply_outputs(same, place, np.eye(len(down), dtype=np.float32) + down @ up)
    expected = outputs(same, TOKENS)
    np.testing.assert_allclose(outputs(model, TOKENS), expected, rtol=0, atol=3e-4 * np.abs(expected).max())
    assert np.abs(outputs(backbone(name, tmp_path / "plain"), TOKENS) - expected).max() > 1e-2 * expected.std()


def multiply_outputs(model: Backbone, place: Place, matrix: np.ndarray) -> None:
    layer = linear_parts(model)[place]
    kernel = layer.kernel.numpy()
    layer.kernel.assign((kernel.reshape(sizes(layer)) @ matrix).reshape(kernel.shape))
    if layer.bias is not None:
        layer.bias.assign((layer.bias.numpy().reshape(-1) @ matrix).reshape(layer.bias.shape))


@pytest.mark.parametrize(
    ("activation", "curve"),
    [
        ("gelu", lambda x: x * (0.5 + 0.5 * np.vectorize(math.erf)(x / math.sqrt(2)))),
        ("silu", lambda x: x / (1 + np.exp(-x))),
        ("relu", lambda x: np.maximum(x, 0)),
    ],
)
def test_each_adds_what_its_two_kernels_make_of_the_outputs(activation: str, curve, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    model = with_bottlenecks("bert", tmp_path, activation=activation, targets=["1.down"])
    assert describe_bottlenecks(model) == {"1.down": {"size": 3, "activation": activation}}
    layer = linear_parts(model)[1, "down"]
    x = np.random.default_rng(5).normal(size=(4, sizes(layer)[0])).astype(np.float32)
    down, down_bias, up, up_bias = (variable.numpy() for variable in layer.following.parameters)
    y = x @ layer.kernel.numpy() + layer.bias.numpy()
    expected = y + curve(y @ down + down_bias) @ up + up_bias
    np.testing.assert_allclose(dense(layer, tf.constant(x)), expected, rtol=1e-5, atol=1e-5)
    make_plain_layers(model)  # merges what can be merged
    np.testing.assert_allclose(dense(layer, tf.constant(x)), expected, rtol=1e-5, atol=1e-5)
    with RoundedWeights("int8").in_use(None):
        rounded = dense(layer, tf.constant(x)).numpy()
    assert 0 < np.abs(rounded - expected).max() < 0.05 * np.abs(expected).max()


def test_they_begin_as_nearly_nothing_by_the_seed_and_the_place(tmp_path: Path) -> None:
    config = replace(begun_with(""), tuning=TuningConfig(method="adapters"))
    values = []
    for seed in (1, 1, 2):
        model = backbone("bert", tmp_path)
        plain = outputs(model, TOKENS)
        add_bottlenecks(model, replace(config, seed=seed))
        change = np.abs(outputs(model, TOKENS) - plain).max()
        assert 0 < change < 0.01 * np.abs(plain).max()
        values.append([bottleneck.parameters[0].numpy() for bottleneck in bottlenecks_of(model).values()])
    assert np.abs(values[0]).max() < 0.02
    np.testing.assert_array_equal(values[0], values[1])
    assert not np.isin(values[2], values[0]).any()
    assert not np.isin(values[0][0], values[0][1]).any()


@pytest.mark.parametrize("name", ["llama", "gpt2"])
@pytest.mark.parametrize("tuning", [{}, {"layers": [1]}])
def test_a_decoder_has_them_as_it_is_exported_and_step_by_step(name: str, tuning: dict, tmp_path: Path) -> None:
    model = with_bottlenecks(name, tmp_path, **tuning).model
    row = TinyDecoder(name).rows[0][np.newaxis]
    inputs = {name: tf.constant(array) for name, array in batch(list(row)).items()}
    expected = model(inputs)["sequence_output"].numpy()
    joined, places = JoinedDecoder(model), tf.constant(8)
    found = joined.read(inputs["token_ids"], inputs["positions"], joined.empty_cache(tf.constant(1), places))[0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    begun, cache = model.start(inputs["token_ids"][:, :2], inputs["positions"][:, :2], inputs["segments"][:, :2], 8)
    third, _ = model.step(inputs["token_ids"][:, 2], inputs["positions"][:, 2], cache)
    stepped = np.concatenate([begun, third[:, np.newaxis]], 1)
    np.testing.assert_allclose(stepped, expected[:, :3], rtol=0, atol=1e-4 * np.abs(expected).max())


def test_a_folder_keeps_them_and_a_trimmed_one_those_of_its_layers(tmp_path: Path) -> None:
    folder = tmp_path / "llama"
    model = with_bottlenecks("llama", folder, layers=[1])
    write_bottlenecks(folder, model)
    again = with_stored_bottlenecks(backbone("llama", tmp_path / "again"), folder)
    assert again.notes[-1] == "it has 2 bottleneck adapters of an earlier run"
    np.testing.assert_array_equal(outputs(again, TOKENS), outputs(model, TOKENS))
    described = backbone("llama", tmp_path / "described")
    put_described(described, describe_bottlenecks(model))
    assert [one.shape for one in weights_of(described)] == [one.shape for one in weights_of(model)]
    kept, _, _ = trim(folder, [1])
    whole, fewer = load_file(folder / BOTTLENECKS), load_file(kept / BOTTLENECKS)
    assert {name.replace("layers.0.", "layers.1.") for name in fewer} == whole.keys()
    assert all((whole[name.replace("layers.0.", "layers.1.")] == array).all() for name, array in fewer.items())


def weights_of(model: Backbone) -> list[keras.Variable]:
    return [variable for bottleneck in bottlenecks_of(model).values() for variable in bottleneck.parameters]


@pytest.mark.parametrize("targets", [["query"], ["0.up"], []])
def test_places_that_end_no_part_are_refused(targets: list[str]) -> None:
    config = replace(begun_with(""), tuning=TuningConfig(method="adapters", targets=targets))
    with pytest.raises(SFTError, match=r"SFT481  --tuning.targets .* Known are output, down"):
        check_tuning(config)
