"""A backbone with fewer attention heads and feed-forward units: smaller products, whose results are those of a mask.

Layers of an encoder may keep different numbers of heads: config.json says so by `pruned_heads`, as transformers up to
version 4 does. A decoder keeps as many in each layer, and heads that share keys and values leave together, so that
what is left is an ordinary decoder of its family. All layers keep equally many units.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sftkeras.backbones.backbone import Backbone
from sftkeras.backbones.converted import write_json
from sftkeras.backbones.decoders.config import DecoderConfig
from sftkeras.backbones.decoders.decoder import Decoder
from sftkeras.backbones.dense.adapters import sizes
from sftkeras.backbones.dense.cutting import keep_groups, keep_units
from sftkeras.backbones.hugging_face import write_config, write_tokenizer
from sftkeras.backbones.hugging_face.decoders.families import DECODER_FAMILIES
from sftkeras.backbones.hugging_face.decoders.reading import describe
from sftkeras.backbones.hugging_face.tokenizers import FILES
from sftkeras.backbones.linear_parts import linear_parts
from sftkeras.errors import SFTError
from sftkeras.internals.keras_hub import layer_parts, set_heads
from sftkeras.text import Tokenizer

_INNER_SIZES = ("ffn_dim", "n_inner")  # what OPT and GPT-2 call the inner size in config.json


@dataclass(frozen=True)
class Width:
    """Heads and units of the layers of a backbone.

    Attributes:
        groups: for each layer, heads that share their keys and values: of an encoder, heads.
        units: inner size of the feed-forward part, equal in all layers.
        heads_of_group: heads in each group.
    """

    groups: tuple[int, ...]
    units: int
    heads_of_group: int = 1

    @property
    def heads(self) -> tuple[int, ...]:
        """Heads of each layer."""
        return tuple(self.heads_of_group * groups for groups in self.groups)


@dataclass(frozen=True)
class Kept:
    """Heads and units that one layer keeps.

    Attributes:
        groups: numbers of its groups of heads, ascending, int.
        units: numbers of its feed-forward units, ascending, int.
    """

    groups: np.ndarray
    units: np.ndarray


def width_of(backbone: Backbone) -> Width:
    """Return the width of a backbone that is a decoder, or an encoder that was rebuilt."""
    parts = linear_parts(backbone)
    units = sizes(parts[0, "down"])[0]
    if isinstance(backbone.model, Decoder):
        config = backbone.model.config
        return Width((config.key_value_heads,) * config.layers, units, config.heads // config.key_value_heads)
    return Width(tuple(layer_parts(layer).attention.num_heads for layer in backbone.layers), units)


def check_narrowing(backbone: Backbone) -> None:
    """Refuses a decoder whose config.json cannot say how large the heads are that are left.

    Raises:
        SFTError: SFT532.
    """
    if isinstance(backbone.model, Decoder):
        family = DECODER_FAMILIES[backbone.model.model_type]
        if "head_dim" not in family.defaults:
            raise SFTError("SFT532", model_type=family.model_type)


def keep_parts(backbone: Backbone, kept: Sequence[Kept], folder: Path) -> Backbone:
    """The same backbone with some of its heads and units alone. Its kernels are changed in place.

    Args:
        backbone: a decoder, or an encoder that was rebuilt.
        kept: of each layer; of a decoder equally many groups, and of any equally many units.
        folder: exists and is empty; gets its small files.

    Raises:
        SFTError: SFT532 if heads of a decoder leave whose config.json cannot say so.
    """
    width, parts = width_of(backbone), linear_parts(backbone)
    if any(len(layer.groups) < groups for layer, groups in zip(kept, width.groups, strict=True)):
        check_narrowing(backbone)
    for number, layer in enumerate(kept):
        own = {name: part for (of, name), part in parts.items() if of == number}
        if len(layer.groups) < width.groups[number]:
            keep_groups(own, layer.groups, width.groups[number])
        if len(layer.units) < width.units:
            keep_units(own, layer.units)
    if isinstance(backbone.model, Decoder):
        return _with_decoder_files(backbone, kept, width, folder)
    for layer, attended in zip(kept, backbone.layers, strict=True):
        set_heads(layer_parts(attended).attention, len(layer.groups))
        attended.intermediate_dim = len(layer.units)
    backbone.model.intermediate_dim = len(kept[0].units)
    return _with_encoder_files(backbone, folder)


def _with_encoder_files(backbone: Backbone, folder: Path) -> Backbone:
    if backbone.format == "hugging_face":
        files = _copied(backbone, folder)
        write_config(backbone.model, folder)
        return replace(backbone, files=files, weights=None)
    assert isinstance(backbone.tokenizer, Tokenizer)  # of all presets that are loaded
    write_config(backbone.model, folder)
    write_tokenizer(backbone.tokenizer, folder)
    files = {name: folder / name for name in ("config.json", *FILES) if (folder / name).exists()}
    return replace(backbone, format="hugging_face", files=files, weights=None)


def _with_decoder_files(backbone: Backbone, kept: Sequence[Kept], width: Width, folder: Path) -> Backbone:
    decoder = backbone.model
    assert isinstance(decoder, Decoder)
    assert decoder.source is not None  # of each that was loaded
    groups, units = len(kept[0].groups), len(kept[0].units)
    config = replace(decoder.config, heads=groups * width.heads_of_group, key_value_heads=groups, inner_size=units)
    decoder.source = _source(decoder.source, config, fewer_heads=groups < width.groups[0])
    files = _copied(backbone, folder)
    write_json(folder / "config.json", decoder.source)
    # Added tokens are counted only when they are added.
    assert describe(decoder.source, folder)[1] == replace(config, vocabulary_size=decoder.source["vocab_size"])
    decoder.set_config(config)
    return replace(backbone, files=files, weights=None)


def _source(source: dict[str, Any], config: DecoderConfig, *, fewer_heads: bool) -> dict[str, Any]:
    """The config.json of what is left of a decoder."""
    family = DECODER_FAMILIES[source["model_type"]]
    inner = next((key for key in _INNER_SIZES if key in family.sizes or key in family.defaults), "intermediate_size")
    changed: dict[str, Any] = {inner: config.inner_size}
    if fewer_heads:
        changed |= {"num_attention_heads": config.heads, "num_key_value_heads": config.key_value_heads}
        changed |= {"head_dim": config.head_size}
    return {**source, **changed}


def _copied(backbone: Backbone, folder: Path) -> dict[str, Path]:
    """Copies the small files of a backbone, and gives them by their paths."""
    for name, path in backbone.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
    return {name: folder / name for name in backbone.files}
