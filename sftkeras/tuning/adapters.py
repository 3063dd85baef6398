"""Adapters on a backbone: attached to the linear layers that are chosen, described, and merged into them again.

Kernels that do not learn are held as `tuning.base` says, until they are merged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from sftkeras.backbones import Backbone
from sftkeras.backbones.bottlenecks import bottlenecks_of
from sftkeras.backbones.dense.adapters import (
    Adapter,
    AnyDense,
    adapter_of,
    attach_adapter,
    held_kernel_of,
    hold_kernel,
    make_plain,
    sizes,
)
from sftkeras.backbones.dense.adaptive_rank import AdaptiveRank, AdaptiveRankSettings
from sftkeras.backbones.dense.held_kernels import HeldAs
from sftkeras.backbones.dense.low_rank import LowRank, LowRankSettings
from sftkeras.backbones.dense.rescaling import Rescaling, RescalingSettings
from sftkeras.backbones.dense.weight_decomposed import WeightDecomposed
from sftkeras.backbones.linear_parts import Place, linear_parts, name_of
from sftkeras.config import TrainConfig, TuningConfig
from sftkeras.disk.cache import building
from sftkeras.errors import SFTError
from sftkeras.plurals import counted
from sftkeras.tuning.targets import chosen_places

# Largest difference of outputs before and after merging, as a share of their size: float32 gives some 1e-6 of it.
MOST_DIFFERENCE = 1e-4
_PROBE = 16  # tokens that outputs are compared for
_KINDS: Mapping[str, type[Adapter]] = {kind.kind: kind for kind in (LowRank, WeightDecomposed, AdaptiveRank, Rescaling)}
# Layers whose inputs (IA)3 rescales: those that follow what the paper rescales. PEFT does so too.
_AFTER_RESCALED = ("output", "down")


def attach_adapters(backbone: Backbone, config: TrainConfig) -> tuple[str, ...]:
    """Attaches adapters of the method to linear layers of a backbone: given ones, or new ones that change nothing yet.

    Returns:
        Notes for the user.

    Raises:
        SFTError: SFT481 or SFT484 for targets or layers that it has not, SFT482 for a rank that is too large, SFT486
            for an adapter that does not fit.
    """
    tuning, parts = config.tuning, linear_parts(backbone)
    if tuning.adapter:
        return _attach_given(backbone, config)
    kind, settings_of = _KINDS[tuning.method], _NEW[tuning.method]
    for place in chosen_places(tuning, parts, backbone.kind):
        layer, name = parts[place], name_of(place)
        settings = settings_of(tuning, place, layer)
        _attach(place, layer, kind, settings, kind.first_values(name, layer, settings, config.seed))
    return ()


def _low_rank(tuning: TuningConfig, place: Place, layer: AnyDense) -> LowRankSettings:
    inputs, outputs = sizes(layer)
    most = -(-inputs * outputs // (inputs + outputs))  # from here on, the matrices are as large as the kernel
    if (rank := tuning.first_rank) >= most:
        raise SFTError("SFT482", rank=rank, layer=name_of(place), inputs=inputs, outputs=outputs, most=most)
    return LowRankSettings(rank, tuning.alpha, tuning.rank_scaled, tuning.dropout)


def _adaptive_rank(tuning: TuningConfig, place: Place, layer: AnyDense) -> AdaptiveRankSettings:
    return AdaptiveRankSettings(**vars(_low_rank(tuning, place, layer)), orthogonality=tuning.orthogonality)


def _rescaling(tuning: TuningConfig, place: Place, layer: AnyDense) -> RescalingSettings:
    return RescalingSettings(of_inputs=place[1] in _AFTER_RESCALED)


_NEW: Mapping[str, Callable[[TuningConfig, Place, AnyDense], Any]] = {
    "lora": _low_rank,
    "dora": _low_rank,
    "adalora": _adaptive_rank,
    "ia3": _rescaling,
}


def _attach_given(backbone: Backbone, config: TrainConfig) -> tuple[str, ...]:
    """Attaches the adapters in a folder."""
    from sftkeras.backbones.hugging_face.adapter_files import has_family, read_adapter

    folder, parts = Path(config.tuning.adapter or "").expanduser(), linear_parts(backbone)
    if not has_family(backbone):
        raise SFTError(
            "SFT486", folder=folder, problem="PEFT has no names for the layers of this encoder. Leave it out."
        )
    kind = _KINDS[config.tuning.method]
    found, left = read_adapter(folder, backbone, kind.kind)
    undecided = {"dropout": config.tuning.dropout} if issubclass(kind, LowRank) else {}
    for place, stored in found.items():
        _attach(place, parts[place], kind, kind.settings_type(**stored.settings, **undecided), stored.values)
    notes = f"the adapter of {folder} is begun with, beside {counted(len(found), 'linear layer')}"
    return (notes, *([f"{counted(left, 'tensor')} of its head are not taken"] if left else []))


def attach_described(backbone: Backbone, described: Mapping[str, Mapping[str, Any]]) -> None:
    """Attaches adapters of zeros as `describe_adapters` described them, whose values are then loaded."""
    parts = {name_of(place): (place, layer) for place, layer in linear_parts(backbone).items()}
    for name, settings in described.items():
        own = dict(settings)
        kind = _KINDS[own.pop("kind", LowRank.kind)]  # runs before there were others noted none
        _attach(*parts[name], kind, kind.settings_type(**own))


def _attach(
    place: Place, layer: AnyDense, kind: type[Adapter], settings: Any, values: list[np.ndarray] | None = None
) -> None:
    name = f"{kind.kind}_{name_of(place)}"
    attach_adapter(layer, kind(*sizes(layer), settings, values, name=name, dtype=layer.dtype_policy))


def describe_adapters(backbone: Backbone) -> dict[str, dict[str, Any]]:
    """Return the settings of each adapter in a backbone by the name of its place; empty if it has none."""
    return {name_of(place): adapter.describe() for place, adapter in adapters_of(backbone).items()}


def adapters_of(backbone: Backbone) -> dict[Place, Adapter]:
    """Return the adapters in a backbone by their places."""
    found = {place: adapter_of(layer) for place, layer in linear_parts(backbone).items()}
    return {place: adapter for place, adapter in found.items() if adapter}


def hold_kernels(backbone: Backbone, form: HeldAs) -> None:
    """Holds the kernels of all linear layers of a backbone in fewer bytes, in place."""
    for layer in linear_parts(backbone).values():
        hold_kernel(layer, form)


def held_as(backbone: Backbone) -> HeldAs | None:
    """Return how the kernels of a backbone are held, if in fewer bytes."""
    held = next((held_kernel_of(layer) for layer in linear_parts(backbone).values()), None)
    return held.form if held else None


def make_plain_layers(backbone: Backbone) -> None:
    """Makes the linear layers of a backbone plain, in place, and makes sure that it computes the same.

    Adapters are merged, and kernels that are held in fewer bytes are read.

    Raises:
        SFTError: SFT487 if it does not.
    """
    before = _probe(backbone)
    for layer in linear_parts(backbone).values():
        make_plain(layer)
    difference = np.abs(_probe(backbone) - before).max() / np.abs(before).max()
    if not difference <= MOST_DIFFERENCE:
        raise SFTError("SFT487", difference=f"{difference:.1e}", most=f"{MOST_DIFFERENCE:.0e}")


def write_adapter_files(folder: Path, backbone: Backbone, base: str) -> bool:
    """Write the adapters of a backbone as PEFT has them, if it has any and PEFT has a form for all of its layers.

    Args:
        folder: lands whole or not at all, in place of what is there.
        backbone: with adapters.
        base: where its weights are.

    Returns:
        Whether it was written.
    """
    from sftkeras.backbones.hugging_face.adapter_files import has_form, write_adapter

    adapters = adapters_of(backbone)
    if not adapters or not has_form(backbone, adapters) or bottlenecks_of(backbone):
        return False
    with building(folder) as unfinished:
        write_adapter(unfinished, backbone, adapters, base)
    return True


def _probe(backbone: Backbone) -> np.ndarray:
    """The vectors that the backbone gives some tokens, [1, tokens, hidden]."""
    length = min(_PROBE, backbone.max_positions)
    assert backbone.token_embedding is not None
    tokens = np.arange(length) * 7 % backbone.token_embedding.input_dim
    inputs = {name: np.ones(length, np.int64) for name in backbone.model.input}
    inputs |= {"token_ids": tokens, "positions": np.arange(length), "segment_ids": np.zeros(length, np.int64)}
    given = {name: tf.constant(inputs[name][np.newaxis], tf.int32) for name in backbone.model.input}
    return backbone.model(given, training=False)["sequence_output"].numpy()
