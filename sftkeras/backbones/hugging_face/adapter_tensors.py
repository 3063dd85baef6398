"""Weights of adapters as PEFT's tensors, and back; for each kind of adapter a format.

Where a checkpoint keeps several of our layers in one tensor, as Phi-3 and GPT-2 do, these are one module for PEFT: the
matrices beside them become one pair, and a pair is divided among them; their vectors stand one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from sftkeras.backbones.dense.adapters import Adapter
    from sftkeras.backbones.hugging_face.adapter_modules import ModulePart
    from sftkeras.backbones.linear_parts import Place

DOWN, UP, LENGTHS, VECTOR = ".lora_A.weight", ".lora_B.weight", ".lora_magnitude_vector", ".ia3_l"
LEFT, VALUES, RIGHT = ".lora_A", ".lora_E", ".lora_B"
Tensors = dict[str, np.ndarray]  # of a module, by what follows its name
Settings = Mapping[str, Any]  # of adapter_config.json
Modules = Mapping[str, Sequence["ModulePart"]]
KernelLengths = Callable[["Place"], np.ndarray]  # of the columns of a layer's kernel, [outputs]


class Stored(NamedTuple):
    """An adapter of one linear layer, as files have it.

    Attributes:
        settings: of its kind, by name; what the files do not decide is not there.
        values: of its weights.
    """

    settings: dict[str, Any]
    values: list[np.ndarray]


class Format(NamedTuple):
    """A kind of adapter in PEFT's files.

    Attributes:
        required: what follows a module's name, of the tensors that it has.
        read: the adapters of a module's parts, by its name, these parts, its tensors, and the file's settings. Raises
            ValueError if the tensors have other sizes than the parts.
        write: the tensors of modules by name, and settings for the file.
        joins: whether it writes modules that are several layers.
    """

    required: tuple[str, ...]
    read: Callable[[str, Sequence[ModulePart], Tensors, Settings], dict[Place, Stored]]
    write: Callable[[Modules, Mapping[Place, Adapter], KernelLengths], tuple[dict[str, Tensors], dict[str, Any]]]
    joins: bool = True


def scale_of(settings: Settings, module: str, rank: int) -> float:
    """Return what the product of a module's matrices is multiplied by."""
    patterns = settings.get("alpha_pattern") or {}
    own = (value for name, value in patterns.items() if f".{module}".endswith(f".{name}"))
    alpha = float(next(own, settings["lora_alpha"]))
    return alpha / (math.sqrt(rank) if settings.get("use_rslora") else rank)


# --- LoRA, and DoRA with the lengths of columns ---


def _read_low_rank(
    module: str, parts: Sequence[ModulePart], tensors: Tensors, settings: Settings
) -> dict[Place, Stored]:
    down, up = tensors[DOWN].T, tensors[UP].T
    scale = scale_of(settings, module, down.shape[1])
    return _divided(parts, down, up, tensors.get(LENGTHS), scale, bool(settings.get("use_rslora")))


def _divided(
    parts: Sequence[ModulePart],
    down: np.ndarray,
    up: np.ndarray,
    all_lengths: np.ndarray | None,
    scale: float,
    rank_scaled: bool,
) -> dict[Place, Stored]:
    """The pairs of the parts of a module that has one pair, and the lengths of its columns if it has them."""
    _check(down.shape[0], parts[0].inputs)
    _check(up.shape[1], sum(part.outputs for part in parts))
    lengths = [None] * len(parts) if all_lengths is None else _split(all_lengths, parts)
    found = {}
    for part, own_up, own_lengths in zip(parts, _split(up, parts), lengths, strict=True):
        # Of several parts, each has only the columns of A that it uses; one that has lengths alone keeps a column.
        used = np.flatnonzero(own_up.any(1)) if len(parts) > 1 else np.arange(len(own_up))
        if own_lengths is not None and not len(used):
            used = np.arange(1)
        if rank := len(used):
            alpha = scale * (math.sqrt(rank) if rank_scaled else rank)
            values = [down[:, used], own_up[used], *([] if own_lengths is None else [own_lengths])]
            found[part.place] = Stored({"rank": rank, "alpha": alpha, "rank_scaled": rank_scaled}, values)
    return found


def _write_low_rank(
    modules: Modules, adapters: Mapping[Place, Adapter], kernel_lengths: KernelLengths
) -> tuple[dict[str, Tensors], dict[str, Any]]:
    adapter = next(iter(adapters.values()))
    first, has_lengths = adapter.settings, adapter.kind == "dora"
    tensors: dict[str, Tensors] = {}
    ranks, alphas = {}, {}
    for module, parts in modules.items():
        down, up, scale = _joined(parts, adapters)
        rank = down.shape[1]
        alpha = scale * (math.sqrt(rank) if first.rank_scaled else rank)
        tensors[module] = {DOWN: down.T, UP: up.T}
        if has_lengths:  # a part without an adapter keeps its own
            lengths = [
                adapters[part.place].values()[2] if part.place in adapters else kernel_lengths(part.place)
                for part in parts
            ]
            tensors[module][LENGTHS] = np.concatenate(lengths)
        if rank != first.rank:
            ranks[module] = rank
        if not math.isclose(alpha, first.alpha):
            alphas[module] = alpha
    return tensors, {
        "r": first.rank,
        "lora_alpha": first.alpha,
        "lora_dropout": first.dropout,
        "use_rslora": first.rank_scaled,
        "use_dora": has_lengths,
        "rank_pattern": ranks,
        "alpha_pattern": alphas,
        "bias": "none",
    }


def _joined(parts: Sequence[ModulePart], adapters: Mapping[Place, Adapter]) -> tuple[np.ndarray, np.ndarray, float]:
    """One pair for layers that are one module, each with columns of A and outputs of its own; and its scale."""
    present = [adapters[part.place] for part in parts if part.place in adapters]
    scale = present[0].settings.scale
    down = np.concatenate([adapter.values()[0] for adapter in present], 1)
    up = np.zeros((down.shape[1], sum(part.outputs for part in parts)), np.float32)
    row = column = 0
    for part in parts:
        if part.place in adapters:
            adapter = adapters[part.place]
            own = adapter.values()[1] * (adapter.settings.scale / scale)
            up[row : row + len(own), column : column + part.outputs] = own
            row += len(own)
        column += part.outputs
    return down, up, scale


# --- AdaLoRA ---


def _read_triplets(
    module: str, parts: Sequence[ModulePart], tensors: Tensors, settings: Settings
) -> dict[Place, Stored]:
    """The triplets that are left, as pairs of LoRA."""
    values = tensors[VALUES].reshape(-1)
    return _divided(parts, tensors[LEFT].T * values, tensors[RIGHT].T, None, triplets_scale(settings), False)


def _write_triplets(
    modules: Modules, adapters: Mapping[Place, Adapter], _: KernelLengths
) -> tuple[dict[str, Tensors], dict[str, Any]]:
    tensors: dict[str, Tensors] = {}
    for module, (part,) in modules.items():
        left, right, values = adapters[part.place].values()
        tensors[module] = {LEFT: left.T, RIGHT: right.T, VALUES: values[:, np.newaxis]}
    first = next(iter(adapters.values())).settings
    return tensors, {
        "init_r": first.rank,
        "lora_alpha": first.alpha,
        "lora_dropout": first.dropout,
        "total_step": 1,  # PEFT reads no file without, and trains on by its own
        "bias": "none",
    }


def triplets_scale(settings: Settings) -> float:
    """Return what the product of a module's triplets is multiplied by, as PEFT has it."""
    alpha, rank = float(settings["lora_alpha"]), int(settings["init_r"])
    return (alpha if alpha > 0 else rank) / (rank + 1e-5)


# --- (IA)3 ---


def _read_rescaling(
    module: str, parts: Sequence[ModulePart], tensors: Tensors, settings: Settings
) -> dict[Place, Stored]:
    vector = tensors[VECTOR]
    of_inputs = vector.shape[0] == 1  # [1, inputs] of modules named in feedforward_modules, otherwise [outputs, 1]
    _check(vector.size, parts[0].inputs if of_inputs else sum(part.outputs for part in parts))
    own = [vector.reshape(-1)] * len(parts) if of_inputs else _split(vector.reshape(-1), parts)
    return {part.place: Stored({"of_inputs": of_inputs}, [values]) for part, values in zip(parts, own, strict=True)}


def _write_rescaling(
    modules: Modules, adapters: Mapping[Place, Adapter], _: KernelLengths
) -> tuple[dict[str, Tensors], dict[str, Any]]:
    tensors: dict[str, Tensors] = {}
    of_inputs = []
    for module, parts in modules.items():
        if len(parts) == 1 and adapters[parts[0].place].settings.of_inputs:
            of_inputs.append(module)
            tensors[module] = {VECTOR: adapters[parts[0].place].values()[0][np.newaxis]}
        else:
            own = [
                adapters[part.place].values()[0] if part.place in adapters else np.ones(part.outputs, np.float32)
                for part in parts
            ]
            tensors[module] = {VECTOR: np.concatenate(own)[:, np.newaxis]}
    return tensors, {"feedforward_modules": of_inputs}


def _split(array: np.ndarray, parts: Sequence[ModulePart]) -> list[np.ndarray]:
    """The outputs, along the last axis, of each part."""
    return np.split(array, np.cumsum([part.outputs for part in parts])[:-1], -1)


def _check(found: int, expected: int) -> None:
    if found != expected:
        raise ValueError(f"{found} in place of {expected}")


_LOW_RANK = Format((DOWN, UP), _read_low_rank, _write_low_rank)
# By the kinds of `Adapter`.
FORMATS: Mapping[str, Format] = {
    "lora": _LOW_RANK,
    "dora": _LOW_RANK._replace(required=(DOWN, UP, LENGTHS)),
    "ia3": Format((VECTOR,), _read_rescaling, _write_rescaling),
    "adalora": Format((LEFT, VALUES, RIGHT), _read_triplets, _write_triplets, joins=False),
}
PEFT_TYPES: Mapping[str, str] = {"lora": "LORA", "dora": "LORA", "ia3": "IA3", "adalora": "ADALORA"}
