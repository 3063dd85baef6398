"""Adapters as PEFT keeps them, adapter_config.json and adapter_model.safetensors: read and written.

PEFT (https://github.com/huggingface/peft) names a tensor by the module of Hugging Face's library that it is beside:
`base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight`. `adapter_modules` has the modules' names,
`adapter_tensors` what each kind of adapter keeps.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sftkeras.backbones.hugging_face.adapter_modules import modules_of
from sftkeras.backbones.hugging_face.adapter_tensors import (
    FORMATS,
    PEFT_TYPES,
    Stored,
    Tensors,
    scale_of,
    triplets_scale,
)
from sftkeras.errors import SFTError

if TYPE_CHECKING:
    from sftkeras.backbones import Backbone
    from sftkeras.backbones.dense.adapters import Adapter
    from sftkeras.backbones.linear_parts import Place

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PREFIX = "base_model.model."
_OF_ADAPTERS = (".lora_", ".ia3_")  # parts of the names of tensors that are not of a head
# Kinds by what PEFT calls them; DoRA is a setting of LoRA's.
VIRTUAL: Mapping[str, str] = {"prompt": "PROMPT_TUNING", "prefix": "PREFIX_TUNING"}
_KINDS = {name: kind for kind, name in {**PEFT_TYPES, **VIRTUAL}.items() if kind != "dora"}
# Keys of adapter_config.json that may only be false, none or empty: what they ask for is not computed.
_NOT_COMPUTED = (
    *("alora_invocation_tokens", "layer_replication", "lora_bias", "target_parameters", "trainable_token_indices"),
    *("use_bdlora", "use_qalora"),
)


@dataclass(frozen=True)
class AdapterConfig:
    """Settings of adapter_config.json.

    Attributes:
        settings: as they stand there.
        kind: of its adapters; those of adalora are begun with as lora.
    """

    settings: Mapping[str, Any]
    kind: str

    @classmethod
    def read(cls, folder: Path, kind: str) -> AdapterConfig:
        """Reads the file.

        Raises:
            SFTError: SFT486 if it cannot be read, is of another kind, or asks for something that is not computed.
        """
        try:
            settings = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
            peft_type = settings["peft_type"]
            if peft_type == "LORA":
                scale_of(settings, "", int(settings["r"]))
            elif peft_type == "ADALORA":
                triplets_scale(settings)
        except (OSError, ValueError, KeyError, TypeError) as error:
            problem = f"{CONFIG} cannot be read ({' '.join(str(error).split())}). Give the folder of an adapter."
            raise SFTError("SFT486", folder=folder, problem=problem) from error
        found = "dora" if peft_type == "LORA" and settings.get("use_dora") else _KINDS.get(peft_type, "")
        method = "lora" if found == "adalora" else found  # of whose ranks no more are to be cut
        if method != kind:
            what = "has use_dora true" if found == "dora" else f"is of the kind {peft_type}"
            known = bool(found)
            remedy = f"Set --tuning.method {method}." if known else f"Give one of {', '.join((*FORMATS, *VIRTUAL))}."
            wanted = f"which --tuning.method {kind} does not begin with" if known else "which is not supported"
            raise SFTError("SFT486", folder=folder, problem=f"it {what}, {wanted}. {remedy}")
        asked = [key for key in _NOT_COMPUTED if settings.get(key)]
        asked += ["bias"] if settings.get("bias", "none") != "none" else []
        if asked:
            what = f"has {asked[0]} {json.dumps(settings[asked[0]])}"
            problem = f"it {what}, which is not supported. Give one without."
            raise SFTError("SFT486", folder=folder, problem=problem)
        return cls(settings, found)


def read_tensors(folder: Path) -> dict[str, np.ndarray]:
    """Read the tensors of an adapter by name; raises SFT486 if the file cannot be read."""
    from safetensors.numpy import load_file

    try:
        return load_file(folder / WEIGHTS)
    except Exception as error:  # safetensors has types of its own
        problem = f"{WEIGHTS} cannot be read ({' '.join(str(error).split())}). Copy it again."
        raise SFTError("SFT486", folder=folder, problem=problem) from error


def read_adapter(folder: Path, backbone: Backbone, kind: str) -> tuple[dict[Place, Stored], int]:
    """Read the adapters of the linear layers of a backbone.

    Returns:
        The adapters by place; and how many tensors of the file are of a head, which is not taken.

    Raises:
        SFTError: SFT486 if the files cannot be read, or are for another backbone or of another kind.
    """
    config = AdapterConfig.read(folder, kind)
    form = FORMATS[config.kind]
    tensors = read_tensors(folder)
    modules, prefix = modules_of(backbone)
    found: dict[Place, Stored] = {}
    last = form.required[-1]
    names = {name.removesuffix(last) for name in tensors if name.endswith(last)}
    for full in sorted(names):
        module = full.removeprefix(_PREFIX)
        parts = modules.get(module) or modules.get(module.removeprefix(prefix)) or modules.get(prefix + module)
        own = {
            suffix: tensors[full + suffix].astype(np.float32) for suffix in form.required if full + suffix in tensors
        }
        if parts is None or len(own) < len(form.required):
            raise SFTError("SFT486", folder=folder, problem=_stranger(full))
        try:
            found |= form.read(module, parts, own, config.settings)
        except ValueError as error:
            raise SFTError("SFT486", folder=folder, problem=_stranger(full)) from error
    known = {name + suffix for name in names for suffix in form.required}
    others = [name for name in tensors if name not in known]
    if strangers := [name for name in others if any(part in name for part in _OF_ADAPTERS)]:
        raise SFTError("SFT486", folder=folder, problem=_stranger(strangers[0]))
    if not found:
        raise SFTError("SFT486", folder=folder, problem="it holds nothing for linear layers.")
    return found, len(others)


def write_adapter(folder: Path, backbone: Backbone, adapters: Mapping[Place, Adapter], base: str) -> None:
    """Write adapters as `peft.PeftModel.from_pretrained` reads them, for the Hugging Face model of the backbone.

    Args:
        folder: exists, and is not read yet.
        backbone: of a family that Hugging Face has; see `has_family`.
        adapters: of its linear layers, all of one kind.
        base: where the weights of the backbone are.
    """
    from safetensors.numpy import save_file

    from sftkeras.backbones.dense.adapters import kernel_lengths
    from sftkeras.backbones.linear_parts import linear_parts

    kind, layers = next(iter(adapters.values())).kind, linear_parts(backbone)
    modules = {
        module: parts
        for module, parts in modules_of(backbone)[0].items()
        if any(part.place in adapters for part in parts)
    }
    tensors, settings = FORMATS[kind].write(modules, adapters, lambda place: kernel_lengths(layers[place]))
    decoder = backbone.kind == "decoder"
    config = {
        "peft_type": PEFT_TYPES[kind],
        "task_type": "CAUSAL_LM" if decoder else "FEATURE_EXTRACTION",
        "base_model_name_or_path": base.removeprefix("hf://"),
        "target_modules": list(modules),
        "fan_in_fan_out": decoder and backbone.model.model_type == "gpt2",  # whose kernels PyTorch has transposed
        "inference_mode": True,
        **settings,
    }
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    save_file(_with_full_names(tensors), folder / WEIGHTS, metadata={"format": "pt"})


def _with_full_names(tensors: Mapping[str, Tensors]) -> dict[str, np.ndarray]:
    return {
        f"{_PREFIX}{module}{suffix}": np.ascontiguousarray(array)
        for module, own in tensors.items()
        for suffix, array in own.items()
    }


def has_form(backbone: Backbone, adapters: Mapping[Place, Adapter]) -> bool:
    """Whether PEFT has a form for adapters of a backbone, so that they can be written for it."""
    if not has_family(backbone):
        return False
    joins = FORMATS[next(iter(adapters.values())).kind].joins
    return joins or all(len(parts) == 1 for parts in modules_of(backbone)[0].values())


def has_family(backbone: Backbone) -> bool:
    """Whether Hugging Face has the backbone's architecture, so that an adapter can be written for it."""
    from sftkeras.backbones.hugging_face.writing import family_of

    return not backbone.is_module and (backbone.kind == "decoder" or family_of(backbone.model) is not None)


def _stranger(name: str) -> str:
    return f"{name} fits no linear layer of this backbone. Give an adapter of this backbone's weights."
