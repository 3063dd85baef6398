"""LoRA's matrices as PEFT keeps them, adapter_config.json and adapter_model.safetensors: read and written.

PEFT (https://github.com/huggingface/peft) names a matrix by the module of Hugging Face's library that it is beside:
`base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight`. Where a checkpoint keeps several of our layers in one
tensor, as Phi-3 and GPT-2 do, their matrices become one pair, and a pair is divided among them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sftkeras.errors import SFTError

if TYPE_CHECKING:
    from sftkeras.backbones import Backbone
    from sftkeras.backbones.linear_parts import Place
    from sftkeras.backbones.low_rank import LowRank

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PREFIX, _DOWN, _UP = "base_model.model.", ".lora_A.weight", ".lora_B.weight"
# Keys of adapter_config.json that may only be false, none or empty: what they ask for is not computed.
_NOT_COMPUTED = (
    *("alora_invocation_tokens", "layer_replication", "lora_bias", "target_parameters", "trainable_token_indices"),
    *("use_bdlora", "use_dora", "use_qalora"),
)


class Matrices(NamedTuple):
    """The matrices of one linear layer.

    Attributes:
        down: A, [inputs, rank].
        up: B, [rank, outputs].
        scale: what their product is multiplied by.
    """

    down: np.ndarray
    up: np.ndarray
    scale: float


@dataclass(frozen=True)
class AdapterConfig:
    """Settings of adapter_config.json."""

    settings: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> AdapterConfig:
        """Reads the file.

        Raises:
            SFTError: SFT486 if it cannot be read, or asks for something that is not computed.
        """
        try:
            settings = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
            kind, known = settings["peft_type"], cls(settings)
            known.scale("", int(settings["r"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            problem = f"{CONFIG} cannot be read ({' '.join(str(error).split())}). Give the folder of an adapter."
            raise SFTError("SFT486", folder=folder, problem=problem) from error
        asked = [key for key in _NOT_COMPUTED if settings.get(key)]
        asked += ["bias"] if settings.get("bias", "none") != "none" else []
        if kind != "LORA" or asked:
            what = f"is of the kind {kind}" if kind != "LORA" else f"has {asked[0]} {json.dumps(settings[asked[0]])}"
            raise SFTError(
                "SFT486", folder=folder, problem=f"it {what}, which is not supported. Give one of plain LoRA."
            )
        return known

    def scale(self, module: str, rank: int) -> float:
        """Return what the product of a module's matrices is multiplied by."""
        patterns = self.settings.get("alpha_pattern") or {}
        own = (value for name, value in patterns.items() if f".{module}".endswith(f".{name}"))
        alpha = float(next(own, self.settings["lora_alpha"]))
        return alpha / (math.sqrt(rank) if self.settings.get("use_rslora") else rank)


def read_adapter(folder: Path, backbone: Backbone) -> tuple[dict[Place, Matrices], int]:
    """Read the matrices of an adapter for the linear layers of a backbone.

    Returns:
        The matrices by place; and how many tensors of the file are of a head, which is not taken.

    Raises:
        SFTError: SFT486 if the files cannot be read, or are for another backbone.
    """
    from safetensors.numpy import load_file

    config = AdapterConfig.read(folder)
    try:
        tensors = load_file(folder / WEIGHTS)
    except Exception as error:  # safetensors has types of its own
        problem = f"{WEIGHTS} cannot be read ({' '.join(str(error).split())}). Copy it again."
        raise SFTError("SFT486", folder=folder, problem=problem) from error
    modules, prefix = _modules(backbone)
    found: dict[Place, Matrices] = {}
    names = {name.removesuffix(_DOWN) for name in tensors if name.endswith(_DOWN)}
    for full in sorted(names):
        module = full.removeprefix(_PREFIX)
        parts = modules.get(module) or modules.get(module.removeprefix(prefix)) or modules.get(prefix + module)
        if parts is None or full + _UP not in tensors:
            raise SFTError("SFT486", folder=folder, problem=_stranger(full))
        down, up = tensors[full + _DOWN].astype(np.float32).T, tensors[full + _UP].astype(np.float32).T
        if down.shape[0] != parts[0].inputs or up.shape[1] != sum(part.outputs for part in parts):
            raise SFTError("SFT486", folder=folder, problem=_stranger(full))
        found |= _divided(parts, Matrices(down, up, config.scale(module, down.shape[1])))
    others = [name for name in tensors if name.removesuffix(_DOWN).removesuffix(_UP) not in names]
    if strangers := [name for name in others if ".lora_" in name]:
        raise SFTError("SFT486", folder=folder, problem=_stranger(strangers[0]))
    if not found:
        raise SFTError("SFT486", folder=folder, problem="it holds no matrices of linear layers.")
    return found, len(others)


def write_adapter(folder: Path, backbone: Backbone, adapters: Mapping[Place, LowRank], base: str) -> None:
    """Write adapters as `peft.PeftModel.from_pretrained` reads them, for the Hugging Face model of the backbone.

    Args:
        folder: exists, and is not read yet.
        backbone: of a family that Hugging Face has; see `has_family`.
        adapters: of its linear layers.
        base: where the weights of the backbone are.
    """
    from safetensors.numpy import save_file

    modules, _ = _modules(backbone)
    first = next(iter(adapters.values())).settings
    tensors, ranks, alphas, targets = {}, {}, {}, []
    for module, parts in modules.items():
        present = [part for part in parts if part.place in adapters]
        if not present:
            continue
        pair = _joined(parts, {part.place: _matrices(adapters[part.place]) for part in present})
        rank = pair.down.shape[1]
        alpha = pair.scale * (math.sqrt(rank) if first.rank_scaled else rank)
        tensors[_PREFIX + module + _DOWN] = np.ascontiguousarray(pair.down.T)
        tensors[_PREFIX + module + _UP] = np.ascontiguousarray(pair.up.T)
        targets.append(module)
        if rank != first.rank:
            ranks[module] = rank
        if not math.isclose(alpha, first.alpha):
            alphas[module] = alpha
    decoder = backbone.kind == "decoder"
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM" if decoder else "FEATURE_EXTRACTION",
        "base_model_name_or_path": base.removeprefix("hf://"),
        "r": first.rank,
        "lora_alpha": first.alpha,
        "lora_dropout": first.dropout,
        "use_rslora": first.rank_scaled,
        "rank_pattern": ranks,
        "alpha_pattern": alphas,
        "target_modules": targets,
        "bias": "none",
        "fan_in_fan_out": decoder and backbone.model.model_type == "gpt2",  # whose kernels PyTorch has transposed
        "inference_mode": True,
    }
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


class _Part(NamedTuple):
    """A linear layer of ours that a module of theirs is, or is a part of."""

    place: Place
    inputs: int
    outputs: int


def _modules(backbone: Backbone) -> tuple[dict[str, list[_Part]], str]:
    """The linear layers by the names of their modules, and what else may stand before these."""
    from sftkeras.backbones.adapters import sizes
    from sftkeras.backbones.linear_parts import linear_parts

    layers = linear_parts(backbone)
    places = {id(layer.kernel): place for place, layer in layers.items()}
    modules: dict[str, list[_Part]] = {}
    weights, prefix = _weights(backbone)
    for name, variables in weights:
        found = [places[id(variable)] for variable in variables if id(variable) in places]
        if found:
            modules[name.removesuffix(".weight")] = [_Part(place, *sizes(layers[place])) for place in found]
    return modules, prefix


def _weights(backbone: Backbone) -> tuple[Iterator[tuple[str, list[Any]]], str]:
    """The tensors of a checkpoint, each with the variables that it holds; and the prefix of some checkpoints."""
    from sftkeras.backbones.hugging_face.decoders.families import DECODER_FAMILIES
    from sftkeras.backbones.hugging_face.decoders.weights import Joined
    from sftkeras.backbones.hugging_face.writing import family_of

    if backbone.kind == "decoder":
        of_decoder = DECODER_FAMILIES[backbone.model.model_type]
        weights, before, prefix = of_decoder.weights(backbone.model), of_decoder.prefix, of_decoder.prefix
    else:
        of_encoder = family_of(backbone.model)
        assert of_encoder is not None
        weights, before, prefix = of_encoder.weights(backbone.model), "", f"{of_encoder.prefix}."
    held = (
        (before + weight.name, [part.variable for part in (weight.parts if isinstance(weight, Joined) else (weight,))])
        for weight in weights
    )
    return held, prefix


def has_family(backbone: Backbone) -> bool:
    """Whether Hugging Face has the backbone's architecture, so that an adapter can be written for it."""
    from sftkeras.backbones.hugging_face.writing import family_of

    return not backbone.is_module and (backbone.kind == "decoder" or family_of(backbone.model) is not None)


def _matrices(adapter: LowRank) -> Matrices:
    return Matrices(adapter.down.numpy(), adapter.up.numpy(), adapter.settings.scale)


def _joined(parts: list[_Part], pairs: Mapping[Place, Matrices]) -> Matrices:
    """One pair for layers that are one module: each keeps its own columns of A, and gives its own outputs."""
    scale = next(iter(pairs.values())).scale
    ranks = [pairs[part.place].down.shape[1] if part.place in pairs else 0 for part in parts]
    down = np.concatenate([pairs[part.place].down for part in parts if part.place in pairs], 1)
    up = np.zeros((sum(ranks), sum(part.outputs for part in parts)), np.float32)
    row = column = 0
    for part, rank in zip(parts, ranks, strict=True):
        if rank:
            pair = pairs[part.place]
            up[row : row + rank, column : column + part.outputs] = pair.up * (pair.scale / scale)
        row, column = row + rank, column + part.outputs
    return Matrices(down, up, scale)


def _divided(parts: list[_Part], pair: Matrices) -> dict[Place, Matrices]:
    """The pair of each of the layers that are one module; of several, only the columns of A that one of them uses."""
    if len(parts) == 1:
        return {parts[0].place: pair}
    ends = np.cumsum([part.outputs for part in parts])[:-1]
    found = {}
    for part, up in zip(parts, np.split(pair.up, ends, 1), strict=True):
        used = up.any(1)
        if used.any():
            found[part.place] = Matrices(pair.down[:, used], up[used], pair.scale)
    return found


def _stranger(name: str) -> str:
    return f"{name} fits no linear layer of this backbone. Give an adapter of this backbone's weights."
