"""LoRA on a backbone: its matrices attached to the linear layers that are chosen, and merged into them again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from sftkeras.backbones import Backbone
from sftkeras.backbones.adapters import AnyDense, adapter_of, attach_adapter, merge_adapter, sizes
from sftkeras.backbones.linear_parts import Place, linear_parts
from sftkeras.backbones.low_rank import LowRank, LowRankSettings, first_values
from sftkeras.config import TrainConfig
from sftkeras.disk.cache import building
from sftkeras.errors import SFTError
from sftkeras.plurals import counted
from sftkeras.tuning.targets import chosen_places

# Largest difference of outputs before and after merging, as a share of their size: float32 gives some 1e-6 of it.
MOST_DIFFERENCE = 1e-4
_PROBE = 16  # tokens that outputs are compared for


def attach_low_rank(backbone: Backbone, config: TrainConfig) -> tuple[str, ...]:
    """Attaches matrices to linear layers of a backbone: those of an adapter, or new ones that change nothing yet.

    Returns:
        Notes for the user.

    Raises:
        SFTError: SFT481 or SFT484 for targets or layers that it has not, SFT482 for a rank that is too large, SFT486
            for an adapter that does not fit.
    """
    tuning, parts = config.tuning, linear_parts(backbone)
    if tuning.adapter:
        return _attach_given(backbone, config)
    settings = LowRankSettings(tuning.rank, tuning.alpha, tuning.rank_scaled, tuning.dropout)
    for place in chosen_places(tuning, parts, backbone.kind):
        layer, name = parts[place], name_of(place)
        inputs, outputs = sizes(layer)
        most = -(-inputs * outputs // (inputs + outputs))  # from here on, the matrices are as large as the kernel
        if tuning.rank >= most:
            raise SFTError("SFT482", rank=tuning.rank, layer=name, inputs=inputs, outputs=outputs, most=most)
        _attach(place, layer, settings, first_values(name, inputs, tuning.rank, config.seed))
    return ()


def _attach_given(backbone: Backbone, config: TrainConfig) -> tuple[str, ...]:
    """Attaches the matrices of an adapter in a folder."""
    from sftkeras.backbones.hugging_face.adapter_files import AdapterConfig, has_family, read_adapter

    folder, parts = Path(config.tuning.adapter or "").expanduser(), linear_parts(backbone)
    if not has_family(backbone):
        raise SFTError(
            "SFT486", folder=folder, problem="PEFT has no names for the layers of this encoder. Leave it out."
        )
    found, left = read_adapter(folder, backbone)
    rank_scaled = bool(AdapterConfig.read(folder).settings.get("use_rslora"))
    for place, pair in found.items():
        rank = pair.down.shape[1]
        alpha = pair.scale * (math.sqrt(rank) if rank_scaled else rank)
        settings = LowRankSettings(rank, alpha, rank_scaled, config.tuning.dropout)
        _attach(place, parts[place], settings, pair.down, pair.up)
    notes = f"the adapter of {folder} is begun with, beside {counted(len(found), 'linear layer')}"
    return (notes, *([f"{counted(left, 'tensor')} of its head are not taken"] if left else []))


def attach_described(backbone: Backbone, described: Mapping[str, Mapping[str, Any]]) -> None:
    """Attaches matrices of zeros as `describe_adapters` described them, whose values are then loaded."""
    parts = {name_of(place): (place, layer) for place, layer in linear_parts(backbone).items()}
    for name, settings in described.items():
        place, layer = parts[name]
        own = LowRankSettings(**settings)
        _attach(place, layer, own, np.zeros((sizes(layer)[0], own.rank), np.float32))


def _attach(
    place: Place, layer: AnyDense, settings: LowRankSettings, down: np.ndarray, up: np.ndarray | None = None
) -> None:
    name, (inputs, outputs) = f"lora_{name_of(place)}", sizes(layer)
    attach_adapter(layer, LowRank(inputs, outputs, settings, down=down, up=up, name=name, dtype=layer.dtype_policy))


def describe_adapters(backbone: Backbone) -> dict[str, dict[str, Any]]:
    """Return the settings of each adapter in a backbone by the name of its place; empty if it has none."""
    return {name_of(place): adapter.describe() for place, adapter in adapters_of(backbone).items()}


def adapters_of(backbone: Backbone) -> dict[Place, LowRank]:
    """Return the adapters in a backbone by their places."""
    found = {place: adapter_of(layer) for place, layer in linear_parts(backbone).items()}
    return {place: adapter for place, adapter in found.items() if isinstance(adapter, LowRank)}


def merge_adapters(backbone: Backbone) -> None:
    """Merges the adapters of a backbone into its kernels, in place, and makes sure that it computes the same.

    Raises:
        SFTError: SFT487 if it does not.
    """
    before = _probe(backbone)
    parts = linear_parts(backbone)
    for place in adapters_of(backbone):
        merge_adapter(parts[place])
    difference = np.abs(_probe(backbone) - before).max() / np.abs(before).max()
    if not difference <= MOST_DIFFERENCE:
        raise SFTError("SFT487", difference=f"{difference:.1e}", most=f"{MOST_DIFFERENCE:.0e}")


def write_adapter_files(folder: Path, backbone: Backbone, base: str) -> bool:
    """Write the adapters of a backbone as PEFT has them, if it has any and PEFT has names for its layers.

    Args:
        folder: lands whole or not at all, in place of what is there.
        backbone: with adapters.
        base: where its weights are.

    Returns:
        Whether it was written.
    """
    from sftkeras.backbones.hugging_face.adapter_files import has_family, write_adapter

    adapters = adapters_of(backbone)
    if not adapters or not has_family(backbone):
        return False
    with building(folder) as unfinished:
        write_adapter(unfinished, backbone, adapters, base)
    return True


def name_of(place: Place) -> str:
    """Return the name of a place, such as 3.query."""
    number, name = place
    return f"{number}.{name}"


def _probe(backbone: Backbone) -> np.ndarray:
    """The vectors that the backbone gives some tokens, [1, tokens, hidden]."""
    length = min(_PROBE, backbone.max_positions)
    assert backbone.token_embedding is not None
    tokens = np.arange(length) * 7 % backbone.token_embedding.input_dim
    inputs = {name: np.ones(length, np.int64) for name in backbone.model.input}
    inputs |= {"token_ids": tokens, "positions": np.arange(length), "segment_ids": np.zeros(length, np.int64)}
    given = {name: tf.constant(inputs[name][np.newaxis], tf.int32) for name in backbone.model.input}
    return backbone.model(given, training=False)["sequence_output"].numpy()
