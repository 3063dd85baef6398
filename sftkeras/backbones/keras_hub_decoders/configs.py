"""The entries of config.json besides sizes, for each family, from the settings of KerasHub's network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sftkeras.backbones.hugging_face.decoders.family import FULL, SLIDING
from sftkeras.backbones.keras_hub_decoders.preset import Preset

Settings = Mapping[str, Any]


def _linear(factor: float) -> dict[str, Any] | None:
    return None if factor == 1 else {"rope_type": "linear", "factor": factor}


def llama(settings: Settings, preset: Preset) -> dict[str, Any]:
    """Return what is said of Llama 1 to 3.2."""
    # config.json has no place for them: those of Llama 2, of Llama 3, and of 3.1 and 3.2, whose frequencies are other.
    positions = 4096 if preset.kind == "LlamaBackbone" else 8192
    scaling = None
    if (factor := settings["rope_frequency_adjustment_factor"]) is not None:
        positions = 131_072
        scaling = {
            "rope_type": "llama3",
            "factor": factor,
            "low_freq_factor": settings["rope_low_freq_factor"],
            "high_freq_factor": settings["rope_high_freq_factor"],
            "original_max_position_embeddings": settings["rope_pretraining_sequence_length"],
        }
    return {
        "max_position_embeddings": positions,
        "rope_theta": settings["rope_max_wavelength"],
        "rope_scaling": scaling,
    }


def _rotary(settings: Settings, positions: int) -> dict[str, Any]:
    return {
        "max_position_embeddings": positions,
        "rope_theta": settings["rope_max_wavelength"],
        "rope_scaling": _linear(settings["rope_scaling_factor"]),
    }


def _in_all_layers(window: int | None) -> dict[str, Any]:
    return {"use_sliding_window": window is not None, "sliding_window": window, "max_window_layers": 0}


def qwen(settings: Settings, preset: Preset) -> dict[str, Any]:
    """Return what is said of Qwen2 and 2.5."""
    window = settings["sliding_window_size"] if settings["use_sliding_window_attention"] else None
    return _rotary(settings, 32_768) | _in_all_layers(window)


def qwen3(settings: Settings, preset: Preset) -> dict[str, Any]:
    """Return what is said of Qwen3."""
    return _rotary(settings, 40_960) | _in_all_layers(settings["sliding_window_size"] or None)


def mistral(settings: Settings, preset: Preset) -> dict[str, Any]:
    """Return what is said of Mistral."""
    return _rotary(settings, 32_768)


def gemma(settings: Settings, preset: Preset) -> dict[str, Any]:
    """Return what is said of Gemma 1."""
    activation = dict.fromkeys(("hidden_act", "hidden_activation"), "gelu_pytorch_tanh")
    # Both products that its gate joins are counted together.
    return {"intermediate_size": settings["intermediate_dim"] // 2, "max_position_embeddings": 8192, **activation}


def _with_windows(settings: Settings, every: int) -> dict[str, Any]:
    """Return the entries Gemma 2 and 3 share: windows, except in every `every`-th layer, and the query scale."""
    layers = range(1, settings["num_layers"] + 1)
    has_windows = settings["use_sliding_window_attention"]
    # What the largest models say otherwise, and KerasHub's layers do not hear of.
    by_head = settings["query_head_dim_normalize"]
    scaled = settings["head_dim"] if by_head else settings["hidden_dim"] // settings["num_query_heads"]
    return {
        "hidden_activation": "gelu_pytorch_tanh",
        "sliding_window": settings["sliding_window_size"],
        "layer_types": [SLIDING if has_windows and number % every else FULL for number in layers],
        "query_pre_attn_scalar": scaled,
        "attn_logit_softcapping": settings["attention_logit_soft_cap"],
        "final_logit_softcapping": settings["final_logit_soft_cap"],
    }


def gemma2(settings: Settings, preset: Preset) -> dict[str, Any]:
    """Return what is said of Gemma 2."""
    return gemma(settings, preset) | _with_windows(settings, every=2)


def gemma3(settings: Settings, preset: Preset) -> dict[str, Any]:
    """Return what is said of Gemma 3."""
    return _with_windows(settings, every=6) | {
        "max_position_embeddings": 32_768,
        "rope_theta": 1_000_000.0,
        "rope_local_base_freq": 10_000.0,
        "rope_scaling": _linear(settings["global_rope_scaling_factor"]),
    }


def phi3(settings: Settings, preset: Preset) -> dict[str, Any]:
    """Return what is said of Phi-3."""
    scaling = None
    if settings["rope_scaling_type"]:
        factors = {"short_factor": settings["rope_scaling_short_factor"]}
        scaling = {"rope_type": "longrope", **factors, "long_factor": settings["rope_scaling_long_factor"]}
    return {
        "original_max_position_embeddings": settings["pretraining_sequence_length"],
        "rope_theta": settings["rope_max_wavelength"],
        "rope_scaling": scaling,
        "sliding_window": None,
        "pad_token_id": None,  # left out, it would be Phi-3's own
    }


def smollm3(settings: Settings, preset: Preset) -> dict[str, Any]:
    """Return what is said of SmolLM3."""
    if others := {*settings["layer_types"]} - {FULL}:
        preset.refuse("layer_types", min(others), FULL)
    turning = [int(turned) for turned in settings["rope_layer_enabled_list"]]
    missing = settings["num_layers"] - len(turning)
    return {"no_rope_layers": turning + [1] * missing, "layer_types": [FULL] * settings["num_layers"]}


def gpt2(settings: Settings, preset: Preset) -> dict[str, Any]:
    """Return what is said of GPT-2."""
    return dict.fromkeys(("embd_pdrop", "resid_pdrop", "attn_pdrop"), settings["dropout"]) | {
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
    }


def opt(settings: Settings, preset: Preset) -> dict[str, Any]:
    """Return what is said of OPT."""
    return {
        "activation_function": "relu",
        "dropout": settings["dropout"],
        "attention_dropout": settings["dropout"],
        "word_embed_proj_dim": settings["hidden_dim"],
    }
