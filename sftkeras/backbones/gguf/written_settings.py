"""Sizes of a decoder as a GGUF file says them, by its architecture: the inverse of `architectures` and `rope`.

What a file cannot say is refused by its name, rather than written as something else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sftkeras.backbones.decoders.config import DecoderConfig
from sftkeras.backbones.gguf import rope
from sftkeras.backbones.gguf.architectures import ARCHITECTURES, Architecture
from sftkeras.backbones.hugging_face.decoders.family import FULL
from sftkeras.backbones.hugging_face.decoders.reading import describe
from sftkeras.backbones.hugging_face.decoders.rope import LONGROPE, rope_settings
from sftkeras.errors import SFTError

Settings = dict[str, Any]


@dataclass(frozen=True)
class Described:
    """A decoder that is written.

    Attributes:
        config: what it computes.
        settings: config.json, completed by the defaults of its family.
    """

    config: DecoderConfig
    settings: Mapping[str, Any]

    @property
    def heads(self) -> int:
        """Heads of attention."""
        return self.config.heads

    @property
    def key_heads(self) -> int:
        """Heads of keys and values."""
        return self.config.key_value_heads

    @property
    def rope(self) -> dict[str, Any]:
        """The rotary positions of layers without a window, by the names of transformers 5."""
        given = self.settings.get("rope_parameters") or {}
        settings = {**self.settings, "rope_parameters": given.get(FULL, given)}
        return rope_settings(settings, self.settings["rope_theta"])


@dataclass(frozen=True)
class Written:
    """Form in which models of one `model_type` are written.

    Attributes:
        name: of the architecture in the file.
        settings: of the file, without that name before them.
    """

    name: str
    settings: Callable[[Described], Settings]

    @property
    def architecture(self) -> Architecture:
        """The architecture as such files are read."""
        return ARCHITECTURES[self.name]


def described(folder: Path, config: dict[str, Any]) -> tuple[Written, Described]:
    """Return how the decoder of a folder is written, and what it computes.

    Raises:
        SFTError: SFT334 if GGUF files have no form for it.
    """
    model_type = config["model_type"]
    if model_type not in WRITTEN:
        raise refused(f"model_type {model_type} is not known there", f"Known are {', '.join(WRITTEN)}")
    family, computed = describe(config, folder)
    return WRITTEN[model_type], Described(computed, {**family.defaults, **config})


def refused(problem: str, remedy: str = "Choose --format hugging_face") -> SFTError:
    """Return the error of a model that GGUF files have no form for."""
    return SFTError("SFT334", format="gguf", problem=problem, remedy=remedy)


def rope_tensors(model: Described) -> dict[str, np.ndarray]:
    """Return the divisors of frequencies that are no settings but tensors: those of Llama 3.1 and of LongRoPE.

    Raises:
        SFTError: SFT334 if Llama 3.1's have other constants than llama.cpp takes.
    """
    if model.config.norm == "layer":
        return {}
    settings = model.rope
    kind = settings["rope_type"]
    if kind == "llama3":
        theta, rotated = settings["rope_theta"], int(model.config.head_size * settings["partial_rotary_factor"])
        if any(settings[key] != value for key, value in rope.LLAMA3_CONSTANTS.items()):
            raise refused(f"rotary positions of the kind llama3 have constants other than {rope.LLAMA3_CONSTANTS}")
        return {rope.FREQUENCIES: rope.llama3_divisors(theta, rotated, settings["factor"]).astype(np.float32)}
    if kind in LONGROPE:
        keys = {rope.LONG: "long_factor", rope.SHORT: "short_factor"}
        return {name: np.array(settings[key], np.float32) for name, key in keys.items()}
    return {}


# Settings of each.


def _sizes(model: Described) -> Settings:
    config = model.config
    return {
        "context_length": model.settings.get("max_position_embeddings") or config.max_positions,
        "embedding_length": config.hidden_size,
        "block_count": config.layers,
        "feed_forward_length": config.inner_size,
        "attention.head_count": config.heads,
    }


def _rotary(model: Described) -> Settings:
    """Return what all architectures with rotary positions and RMS norm say.

    Raises:
        SFTError: SFT334 if positions are stretched otherwise.
    """
    config, settings = model.config, model.rope
    scaling: Settings = {}
    match settings["rope_type"]:
        case "linear":
            scaling = {"rope.scaling.type": "linear", "rope.scaling.factor": float(settings["factor"])}
        case "longrope" | "su":
            learned, turn = settings["original_max_position_embeddings"], config.ropes[0]
            scaling = {"rope.scaling.original_context_length": learned}
            scaling |= {"rope.scaling.attn_factor": float(turn.factor)} if turn else {}
        case "yarn":
            raise refused("rotary positions of the kind yarn are not written there")
    return _sizes(model) | {
        "attention.head_count_kv": config.key_value_heads,
        "attention.key_length": config.head_size,
        "attention.value_length": config.head_size,
        "attention.layer_norm_rms_epsilon": config.epsilon,
        "rope.freq_base": float(settings["rope_theta"]),
        "rope.dimension_count": int(config.head_size * settings["partial_rotary_factor"]),
        "vocab_size": config.vocabulary_size,
        **scaling,
    }


def _all_tokens(model: Described) -> Settings:
    """Return the settings of an architecture without windows, whose activation is SiLU."""
    if windows := {window for window in model.config.windows if window is not None}:
        raise refused(f"layers that see a window of {max(windows)} tokens have no form for this architecture")
    if model.config.activation != "silu":
        raise refused(f"the activation {model.config.activation} has no form for this architecture")
    return _rotary(model)


def _qwen3(model: Described) -> Settings:
    if model.config.query_key_value_bias:
        raise refused("biases of queries, keys and values have no form for qwen3")
    return _all_tokens(model)


def _window(model: Described) -> int | None:
    """Return how many tokens a layer with a window sees."""
    return next((window for window in model.config.windows if window is not None), None)


def _phi3(model: Described) -> Settings:
    return {
        "rope.scaling.original_context_length": model.settings["original_max_position_embeddings"],
        **_rotary(model),
        "attention.sliding_window": _window(model),
    }


def _gemma(model: Described) -> Settings:
    if model.config.query_key_value_bias:
        raise refused("biases of attention have no form for this architecture")
    return _rotary(model)


def _windowed_gemma(model: Described) -> Settings:
    return _gemma(model) | {
        "attention.sliding_window": _window(model),
        "attn_logit_softcapping": model.config.attention_soft_cap,
        "final_logit_softcapping": model.config.final_soft_cap,
    }


def _gemma3(model: Described) -> Settings:
    return _windowed_gemma(model) | {"rope.freq_base_swa": _base_of_windows(model)}


def _base_of_windows(model: Described) -> float:
    given = (model.settings.get("rope_parameters") or {}).get("sliding_attention") or {}
    return float(given.get("rope_theta") or model.settings["rope_local_base_freq"])


def _gpt2(model: Described) -> Settings:
    if model.config.activation != "gelu_tanh":
        raise refused(f"the activation {model.config.activation} has no form for gpt2")
    return _sizes(model) | {"attention.layer_norm_epsilon": model.config.epsilon}


WRITTEN: Mapping[str, Written] = {
    "llama": Written("llama", _all_tokens),
    "mistral": Written("llama", _all_tokens),
    "smollm3": Written("smollm3", _all_tokens),
    "qwen2": Written("qwen2", _all_tokens),
    "qwen3": Written("qwen3", _qwen3),
    "phi3": Written("phi3", _phi3),
    "gemma": Written("gemma", _gemma),
    "gemma2": Written("gemma2", _windowed_gemma),
    "gemma3_text": Written("gemma3", _gemma3),
    "gpt2": Written("gpt2", _gpt2),
}
