"""Layers that are left out of a backbone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tiny_decoders import TinyDecoder
from tiny_folders import MODEL_TYPES, Checkpoint, write_keras_hub

from sftkeras.backbones import load_backbone
from sftkeras.backbones.hugging_face.decoders.reading import describe
from sftkeras.backbones.hugging_face.tensors import Tensors
from sftkeras.backbones.trimming import kept_layers, trim
from sftkeras.errors import SFTError


def test_so_many_layers_are_taken_in_like_distances_or_by_their_numbers() -> None:
    assert kept_layers(6, 12) == (0, 2, 4, 7, 9, 11)  # as DistilBERT
    assert kept_layers(3, 6) == (0, 2, 5)
    assert kept_layers(1, 6) == (0,)
    assert kept_layers([5, 1], 6) == (1, 5)


@pytest.mark.parametrize("wanted", [7, [6], [1, 1], []])
def test_layers_that_are_not_there_are_refused(wanted: int | list[int]) -> None:
    with pytest.raises(SFTError, match="SFT488"):
        kept_layers(wanted, 6)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_a_trimmed_encoder_has_the_tensors_of_the_layers_it_keeps_and_all_others(
    model_type: str, tmp_path: Path
) -> None:
    shards = 2 if model_type == "bert" else 1
    folder = Checkpoint(model_type, shards=shards).write(tmp_path / "whole")
    trimmed, kept, count = trim(folder, [1])
    assert (kept, count) == ((1,), 2)
    before, after = Tensors(folder, "")._files, load_file(trimmed / "model.safetensors")
    whole = {name: array for path in set(before.values()) for name, array in load_file(path).items()}
    layers = {name: name.replace("layer.1.", "layer.0.") for name in whole if "layer.0." not in name}
    if model_type == "albert":  # whose layers share their weights
        layers = {name: name for name in whole}
    assert after.keys() == set(layers.values())
    for name, new in layers.items():
        np.testing.assert_array_equal(after[new], whole[name], strict=True)


@pytest.mark.parametrize("write", [Checkpoint("bert").write, write_keras_hub])
def test_a_trimmed_encoder_loads(write: Callable[[Path], object], tmp_path: Path) -> None:
    write(tmp_path)
    trimmed, _, _ = trim(tmp_path, 1)
    whole, small = load_backbone(tmp_path, max_length=8), load_backbone(trimmed, max_length=8)
    assert len(small.layers) == 1
    assert small.has_pooler
    for layer, same in [*zip(small.layers, whole.layers[:1], strict=True), (small.pooler, whole.pooler)]:
        for variable, value in zip(layer.trainable_variables, same.trainable_variables, strict=True):
            np.testing.assert_array_equal(variable, value)


@pytest.mark.parametrize("name", ["llama", "gpt2", "opt", "gemma2", "gemma3", "smollm3-windows", "qwen2-windows"])
def test_layers_of_a_trimmed_decoder_stay_of_their_kind(name: str, tmp_path: Path) -> None:
    folder = TinyDecoder(name).write(tmp_path / "whole")
    config = json.loads((folder / "config.json").read_text())
    whole = describe(config, folder)[1]
    last = len(whole.windows) - 1
    trimmed, _, _ = trim(folder, [last])
    small = describe(json.loads((trimmed / "config.json").read_text()), trimmed)[1]
    assert (small.windows, small.ropes) == (whole.windows[last:], whole.ropes[last:])
    tensors, kept = load_file(folder / "model.safetensors"), load_file(trimmed / "model.safetensors")
    renamed = {name.replace(f".{last}.", ".0.", 1): array for name, array in tensors.items() if ".0." not in name}
    assert kept.keys() == renamed.keys()
    for name, array in renamed.items():
        np.testing.assert_array_equal(kept[name], array)
