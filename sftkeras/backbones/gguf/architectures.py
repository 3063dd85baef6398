"""Architectures of GGUF files: the config.json of each, and its tensors as Hugging Face has them.

Every tensor and every setting of a file is used, known to change nothing, or refused by its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sftkeras.backbones.gguf import rope
from sftkeras.backbones.gguf.file import GGUFFile, damaged, unsupported
from sftkeras.backbones.gguf.layouts import (
    ATTENTION,
    EMBEDDING,
    ENDS,
    FOUR_NORMS,
    GATED,
    GPT2_NAMES,
    LLAMA_NAMES,
    NORMED_ATTENTION,
    OFFSET_NORMS,
    OUTPUT,
    PHI3_NAMES,
    ROTARY,
    TRANSPOSED,
    TWO_NORMS,
    Changes,
    Names,
)
from sftkeras.backbones.gguf.model import SIZES, Model

# Settings that are read elsewhere, or say nothing that the tensors do not.
_READ_ELSEWHERE = {
    *SIZES.values(),
    "attention.head_count_kv",
    "attention.key_length",
    "attention.value_length",
    "attention.layer_norm_rms_epsilon",
    "attention.layer_norm_epsilon",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.scaling.type",
    "rope.scaling.factor",
    "rope.scaling.finetuned",
    "rope.scaling.attn_factor",
    "rope.scaling.original_context_length",
    "vocab_size",
    "tensor_data_layout",
}


@dataclass(frozen=True)
class Architecture:
    """Reading rules for the models of one architecture.

    Attributes:
        names: of its tensors.
        config: what config.json says beside sizes.
        changes: what is undone of llama.cpp's.
        own_settings: settings beside the usual, which `config` reads.
    """

    names: Names
    config: Callable[[Model], dict[str, Any]]
    changes: Changes
    own_settings: frozenset[str] = frozenset()


def architecture_of(file: GGUFFile) -> tuple[Architecture, Model]:
    """Return the architecture of a file and its sizes.

    Raises:
        SFTError: SFT398 if it does not say its architecture or a size, SFT399 if something in it is not known.
    """
    name = file.get("general.architecture", str)
    if name is None:
        raise damaged(file.path, "it does not say its general.architecture")
    if name not in ARCHITECTURES:
        raise unsupported(file.path, "architecture", name, sorted(ARCHITECTURES))
    if (parts := file.get("split.count", int, 1)) not in (None, 0, 1):
        whole = "whole files, which llama-gguf-split makes of the parts"
        raise unsupported(file.path, "the number of parts", parts, whole)
    architecture = ARCHITECTURES[name]
    _refuse_unknown_settings(file, name, architecture)
    return architecture, Model.of(file, name)


def _refuse_unknown_settings(file: GGUFFile, name: str, architecture: Architecture) -> None:
    known = _READ_ELSEWHERE | architecture.own_settings
    for key, value in file.metadata.items():
        prefix, _, setting = key.partition(".")
        # What is off changes nothing: expert_count 0.
        if prefix == name and setting not in known and value not in (0, False, "", "none", []):
            raise unsupported(file.path, f"{key} with the value", value, f"{name} without it")


def read_config(architecture: Architecture, model: Model) -> dict[str, Any]:
    """Return what config.json says of a file's model.

    Raises:
        SFTError: SFT398 if a number is missing, SFT399 if something is not known.
    """
    rows = model.file.tensors.get(f"{EMBEDDING}.weight")
    if rows is None:
        raise damaged(model.file.path, f"it has no tensor {EMBEDDING}.weight")
    tied = {"vocab_size": rows.shape[0], "tie_word_embeddings": has_tied_output(model.file)}
    return {**model.sizes} | tied | architecture.config(model)


def has_tied_output(file: GGUFFile) -> bool:
    """Whether the output's weights are those of the embedding."""
    output, embedding = f"{OUTPUT}.weight", f"{EMBEDDING}.weight"
    return output not in file.tensors or (embedding in file.tensors and file.same_values(output, embedding))


def read_tensors(architecture: Architecture, model: Model) -> Iterator[tuple[str, np.ndarray]]:
    """Read the tensors one by one, each with its Hugging Face name and layout.

    Raises:
        SFTError: SFT399 if one is not known.
    """
    tied = has_tied_output(model.file)
    for stored in model.file.tensors:
        name, _, kind = stored.rpartition(".")
        if stored in rope.TENSORS or (tied and name == OUTPUT):
            continue
        layer = re.match(r"blk\.(\d+)\.", name)
        pattern = name.replace(layer[0], "blk.{}.", 1) if layer else name
        new = architecture.names.get(pattern)
        if new is None or kind not in ("weight", "bias"):
            raise unsupported(model.file.path, "tensor", stored, sorted(architecture.names))
        values = model.file.read(stored)
        if change := architecture.changes.get(f"{name.rpartition('.')[2]}.{kind}"):
            try:
                values = np.ascontiguousarray(change(values, model))
            except ValueError as error:
                shape = model.file.tensors[stored].shape
                raise damaged(model.file.path, f"tensor {stored} has the shape {shape}") from error
        yield f"{new.format(layer[1]) if layer else new}.{kind}", values


# config.json of each.


def _rotary_config(model: Model) -> dict[str, Any]:
    """Return what all architectures with rotary positions and RMS norm say."""
    epsilon = model.number("attention.layer_norm_rms_epsilon")
    if epsilon is None:
        raise damaged(model.file.path, f"it has no number for {model.architecture}.attention.layer_norm_rms_epsilon")
    theta = model.number("rope.freq_base") or 10000.0
    rotated = model.size("rope.dimension_count") or model.head_size
    return {
        "num_key_value_heads": model.key_heads,
        "head_dim": model.head_size,
        "rms_norm_eps": epsilon,
        "rope_theta": theta,
        "rope_scaling": rope.read_scaling(model.file, model.architecture, theta, rotated),
        "hidden_act": "silu",
        **({} if rotated == model.head_size else {"partial_rotary_factor": rotated / model.head_size}),
    }


def _named(model_type: str, class_name: str) -> dict[str, Any]:
    return {"model_type": model_type, "architectures": [f"{class_name}ForCausalLM"]}


def _llama(model: Model) -> dict[str, Any]:
    biases = {"attention_bias": model.has("attn_q.bias"), "mlp_bias": model.has("ffn_up.bias")}
    return _rotary_config(model) | biases | _named("llama", "Llama")


def _smollm3(model: Model) -> dict[str, Any]:
    # llama.cpp leaves every fourth layer without positions, as the one published model does.
    interval = 4
    positions: dict[str, Any] = {"no_rope_layers": [int((layer + 1) % interval != 0) for layer in range(model.layers)]}
    positions |= {"no_rope_layer_interval": interval, "use_sliding_window": False}
    return _llama(model) | positions | _named("smollm3", "SmolLM3")


def _qwen2(model: Model) -> dict[str, Any]:
    return _rotary_config(model) | {"use_sliding_window": False} | _named("qwen2", "Qwen2")


def _qwen3(model: Model) -> dict[str, Any]:
    bias = {"attention_bias": model.has("attn_q.bias"), "use_sliding_window": False}
    return _rotary_config(model) | bias | _named("qwen3", "Qwen3")


def _phi3(model: Model) -> dict[str, Any]:
    original = model.size("rope.scaling.original_context_length", model.sizes["max_position_embeddings"])
    window = model.size("attention.sliding_window") or None
    return (
        _rotary_config(model)
        | {"original_max_position_embeddings": original, "sliding_window": window}
        | {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attention_dropout": 0.0}
        | {"pad_token_id": None}  # left out, it would be Phi-3's own
        | _named("phi3", "Phi3")
    )


def _gemma(model: Model) -> dict[str, Any]:
    activation = {"hidden_act": "gelu_pytorch_tanh", "hidden_activation": "gelu_pytorch_tanh"}
    return _rotary_config(model) | activation | _named("gemma", "Gemma")


def _windowed_gemma(model: Model, layers_of_27b: int, every: int) -> dict[str, Any]:
    """Return what Gemma 2 and 3 share: the layers with a window, all but each `every`-th, and the scores' scale."""
    # Not in the file: llama.cpp knows the 27B models, which scale by the width over the heads, by their layers.
    scale = model.sizes["hidden_size"] // model.heads if model.layers == layers_of_27b else model.head_size
    kinds = ["full_attention" if (layer + 1) % every == 0 else "sliding_attention" for layer in range(model.layers)]
    return _gemma(model) | {
        "sliding_window": model.size("attention.sliding_window"),
        "layer_types": kinds,
        "query_pre_attn_scalar": scale,
        "final_logit_softcapping": model.number("final_logit_softcapping"),
        "attn_logit_softcapping": model.number("attn_logit_softcapping"),
    }


def _gemma2(model: Model) -> dict[str, Any]:
    return _windowed_gemma(model, layers_of_27b=46, every=2) | _named("gemma2", "Gemma2")


def _gemma3(model: Model) -> dict[str, Any]:
    local = {"rope_local_base_freq": model.number("rope.freq_base_swa", 10000.0)}
    theta = {"rope_theta": model.number("rope.freq_base", 1_000_000.0)}
    return _windowed_gemma(model, layers_of_27b=62, every=6) | local | theta | _named("gemma3_text", "Gemma3")


def _gpt2(model: Model) -> dict[str, Any]:
    return {
        "layer_norm_epsilon": model.number("attention.layer_norm_epsilon", 1e-5),
        "activation_function": "gelu_new",
        "n_embd": model.sizes["hidden_size"],
        "n_layer": model.layers,
        "n_head": model.heads,
        "n_inner": model.sizes["intermediate_size"],
        "n_positions": model.sizes["max_position_embeddings"],
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
    }


_WINDOW = frozenset({"attention.sliding_window"})
_SOFT_CAPS = frozenset({"attn_logit_softcapping", "final_logit_softcapping"})

ARCHITECTURES: Mapping[str, Architecture] = {
    "llama": Architecture(LLAMA_NAMES, _llama, ROTARY),
    "smollm3": Architecture(LLAMA_NAMES, _smollm3, ROTARY),
    "qwen2": Architecture(LLAMA_NAMES, _qwen2, {}),
    "qwen3": Architecture(ENDS | NORMED_ATTENTION | GATED | TWO_NORMS, _qwen3, {}),
    "phi3": Architecture(PHI3_NAMES, _phi3, {}, _WINDOW),
    "gemma": Architecture(LLAMA_NAMES, _gemma, OFFSET_NORMS),
    "gemma2": Architecture(ENDS | ATTENTION | GATED | FOUR_NORMS, _gemma2, OFFSET_NORMS, _WINDOW | _SOFT_CAPS),
    "gemma3": Architecture(
        ENDS | NORMED_ATTENTION | GATED | FOUR_NORMS,
        _gemma3,
        OFFSET_NORMS,
        _WINDOW | _SOFT_CAPS | {"rope.freq_base_swa"},
    ),
    "gpt2": Architecture(GPT2_NAMES, _gpt2, TRANSPOSED),
}
