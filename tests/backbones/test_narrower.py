"""A backbone without some heads and units computes what the whole one does where these give zeros."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tiny_decoder_tokenizers import tiny_tokenizer, write_tokenizer
from tiny_decoders import TinyDecoder, batch
from tiny_folders import INNER, MODEL_TYPES, Checkpoint, write_keras_hub

from sftkeras.backbones import Backbone, load_backbone
from sftkeras.backbones.dense.adapters import sizes
from sftkeras.backbones.linear_parts import linear_parts
from sftkeras.backbones.narrower import Kept, keep_parts, width_of
from sftkeras.errors import SFTError

TOKENS = [np.array([2, 5, 7, 3]), np.array([2, 8, 3])]
UNITS = np.array([0, 3, 5, 6, 11, 20])


def outputs(backbone: Backbone) -> np.ndarray:
    given = batch(TOKENS)
    if backbone.kind == "encoder":
        mask = given["segments"]
        given = {"token_ids": given["token_ids"], "padding_mask": mask, "segment_ids": np.zeros_like(mask)}
        given = {name: given[name] for name in backbone.model.input}
    found = backbone.model({name: tf.constant(array) for name, array in given.items()})["sequence_output"].numpy()
    return found * (np.arange(4) < [[4], [3]])[..., np.newaxis]


def mask(backbone: Backbone, kept: Sequence[Kept]) -> None:
    """Makes what leaves give zeros."""
    width = width_of(backbone)
    for (number, name), part in linear_parts(backbone).items():
        if name not in ("output", "down"):
            continue
        units = kept[number].units
        if name == "output":
            size = sizes(part)[0] // width.groups[number]
            units = (kept[number].groups[:, np.newaxis] * size + np.arange(size)).reshape(-1)
        kernel = part.kernel.numpy()
        rows = kernel.reshape(sizes(part)).copy()
        rows[np.setdiff1d(np.arange(len(rows)), units)] = 0
        part.kernel.assign(rows.reshape(kernel.shape))


def rebuilt(backbone: Backbone, folder: Path) -> Backbone:
    new = load_backbone(folder, max_length=8, without_weights="hugging_face")
    new.model.set_weights(backbone.model.get_weights())
    return new


def write(kind: str, folder: Path) -> Path:
    if kind == "keras_hub":
        write_keras_hub(folder)
        return folder
    if kind in MODEL_TYPES:
        return Checkpoint(kind).write(folder)
    TinyDecoder(kind).write(folder, tokens=tiny_tokenizer("smollm2").get_vocab_size())
    return write_tokenizer(folder, "smollm2")


@pytest.mark.parametrize("kind", [*MODEL_TYPES, "keras_hub", "llama", "gemma3", "qwen3", "phi3"])
def test_what_is_left_equals_the_masked_backbone(kind: str, tmp_path: Path) -> None:
    folder, files = write(kind, tmp_path / "whole"), tmp_path / "small"
    files.mkdir()
    whole, masked = (load_backbone(folder, max_length=8) for _ in range(2))
    groups = [np.array([0, 1, 3]), np.array([2])] if whole.kind == "encoder" else [np.array([1]), np.array([0])]
    kept = [Kept(layer, UNITS) for layer in groups[: len(whole.layers)]]
    mask(masked, kept)
    parameters = whole.parameters
    small = keep_parts(whole, kept, files)
    assert width_of(small).groups == tuple(len(layer.groups) for layer in kept)
    assert width_of(small).units == len(UNITS)
    assert small.parameters < parameters
    np.testing.assert_allclose(outputs(small), outputs(masked), atol=2e-6)
    again = rebuilt(small, files)
    assert again.parameters == small.parameters
    np.testing.assert_allclose(outputs(again), outputs(masked), atol=2e-6)


@pytest.mark.parametrize("kind", ["gpt2", "opt"])
def test_a_decoder_whose_config_cannot_name_the_size_of_a_head_keeps_them(kind: str, tmp_path: Path) -> None:
    folder, files = write(kind, tmp_path / "whole"), tmp_path / "small"
    files.mkdir()
    backbone, masked = (load_backbone(folder, max_length=8) for _ in range(2))
    heads = np.arange(width_of(backbone).groups[0])
    with pytest.raises(SFTError, match="SFT532"):
        keep_parts(backbone, [Kept(heads[1:], UNITS)] * len(backbone.layers), files)
    kept = [Kept(heads, UNITS)] * len(backbone.layers)
    mask(masked, kept)
    small = keep_parts(backbone, kept, files)
    np.testing.assert_allclose(outputs(small), outputs(masked), atol=2e-6)
    np.testing.assert_allclose(outputs(rebuilt(small, files)), outputs(masked), atol=2e-6)


def test_fewer_units_alone_need_no_word_that_other_libraries_do_not_know(tmp_path: Path) -> None:
    folder, files = write("bert", tmp_path / "whole"), tmp_path / "small"
    files.mkdir()
    backbone = load_backbone(folder, max_length=8)
    keep_parts(backbone, [Kept(np.arange(4), UNITS)] * 2, files)
    config = json.loads((files / "config.json").read_text())
    assert config["intermediate_size"] == len(UNITS) < INNER
    assert "pruned_heads" not in config
