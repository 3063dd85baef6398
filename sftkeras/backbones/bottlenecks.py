"""Bottleneck adapters in a backbone: put after its parts, described, and kept in a file beside its weights.

Other libraries have no place for them, so the file is read by this package alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sftkeras.backbones.backbone import Backbone
from sftkeras.backbones.dense.adapters import AnyDense, following_of, let_follow, sizes
from sftkeras.backbones.dense.bottleneck import Bottleneck, BottleneckSettings, shapes
from sftkeras.backbones.hugging_face.tensors import BOTTLENECKS
from sftkeras.backbones.linear_parts import Place, linear_parts, name_of


def bottlenecks_of(backbone: Backbone) -> dict[Place, Bottleneck]:
    """Return the bottleneck adapters in a backbone by the places of the dense layers that they follow."""
    found = {place: following_of(layer) for place, layer in linear_parts(backbone).items()}
    return {place: following for place, following in found.items() if isinstance(following, Bottleneck)}


def put_bottleneck(
    place: Place, layer: AnyDense, settings: BottleneckSettings, values: Sequence[np.ndarray] | None = None
) -> None:
    """Puts a bottleneck adapter after a dense layer, in place; without values it is of zeros."""
    name = f"bottleneck_{name_of(place)}"
    let_follow(layer, Bottleneck(sizes(layer)[1], settings, values, name=name, dtype=layer.dtype_policy))


def describe_bottlenecks(backbone: Backbone) -> dict[str, dict[str, Any]]:
    """Return the settings of each bottleneck adapter in a backbone by the name of its place; empty if it has none."""
    return {name_of(place): bottleneck.describe() for place, bottleneck in bottlenecks_of(backbone).items()}


def put_described(backbone: Backbone, described: Mapping[str, Mapping[str, Any]]) -> None:
    """Puts bottleneck adapters of zeros where `describe_bottlenecks` described them; their values are loaded then."""
    parts = {name_of(place): (place, layer) for place, layer in linear_parts(backbone).items()}
    for name, settings in described.items():
        put_bottleneck(*parts[name], BottleneckSettings(**settings))


def write_bottlenecks(folder: Path, backbone: Backbone) -> None:
    """Write the bottleneck adapters of a backbone, if it has any, into the folder of its weights."""
    from safetensors.numpy import save_file

    tensors = {
        f"{_prefix(place, bottleneck.settings)}.{name}": variable.numpy()
        for place, bottleneck in bottlenecks_of(backbone).items()
        for name, variable in zip(shapes(1, 1), bottleneck.parameters, strict=True)
    }
    if tensors:
        save_file(tensors, folder / BOTTLENECKS)


def with_stored_bottlenecks(backbone: Backbone, folder: Path) -> Backbone:
    """Return a backbone with the bottleneck adapters that the folder of its weights has; in place."""
    from safetensors.numpy import load_file

    if not (folder / BOTTLENECKS).exists():
        return backbone
    stored = load_file(folder / BOTTLENECKS)
    parts = linear_parts(backbone)
    for first in [name for name in stored if name.endswith(".down_kernel")]:
        _, number, name, activation, _ = first.split(".")
        place, settings = (int(number), name), BottleneckSettings(stored[first].shape[1], activation)
        values = [stored[f"{_prefix(place, settings)}.{weight}"] for weight in shapes(1, 1)]
        put_bottleneck(place, parts[place], settings, values)
    note = f"it has {len(bottlenecks_of(backbone))} bottleneck adapters of an earlier run"
    return replace(backbone, notes=(*backbone.notes, note))


def _prefix(place: Place, settings: BottleneckSettings) -> str:
    """Beginning of the names of its tensors; the number of the layer stands as in names of Hugging Face."""
    number, name = place
    return f"layers.{number}.{name}.{settings.activation}"
