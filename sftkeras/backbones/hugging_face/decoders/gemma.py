"""Gemma 1 to 3, text alone: scaled embeddings, norms of 1 + weight, GELU as gate, and more with each version."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

from sftkeras.backbones.decoders.config import DecoderConfig, Rope
from sftkeras.backbones.hugging_face.decoders.family import (
    ACTIVATIONS,
    DEFAULTS,
    FULL,
    SIZES,
    SLIDING,
    DecoderFamily,
    Settings,
    head_sizes,
    rms_config,
    windows,
)
from sftkeras.backbones.hugging_face.decoders.rope import read_rope, rope_settings
from sftkeras.backbones.hugging_face.decoders.weights import NAMES, weights

_DEFAULTS = {
    **DEFAULTS,
    "head_dim": 256,
    "hidden_act": "gelu_pytorch_tanh",
    "hidden_activation": None,
    "tie_word_embeddings": True,
    "use_bidirectional_attention": None,
}
_SUPPORTED = {"use_bidirectional_attention": (None, False)}
FOUR_NORMS = {
    **NAMES,
    "after_attention_norm": "post_attention_layernorm",
    "feed_forward_norm": "pre_feedforward_layernorm",
    "after_feed_forward_norm": "post_feedforward_layernorm",
}


def _config(settings: Settings, folder: Path, **switches: Any) -> DecoderConfig:
    return rms_config(
        settings,
        folder,
        embedding_scale=math.sqrt(settings["hidden_size"]),
        unit_offset=True,
        query_key_value_bias=settings["attention_bias"],
        attention_output_bias=settings["attention_bias"],
        **switches,
    )


def _gemma(settings: Settings, folder: Path) -> DecoderConfig:
    # Its first configs say "gelu" and mean the approximation.
    return _config(settings, folder, activation="gelu_tanh", windows=(None,) * settings["num_hidden_layers"])


def _with_windows(settings: Settings, folder: Path, every: int, **switches: Any) -> DecoderConfig:
    """The config of the second and third: norms on both sides, and windows in all layers but each `every`th one."""
    return _config(
        settings,
        folder,
        post_norms=True,
        activation=ACTIVATIONS[settings["hidden_activation"]],
        query_scale=settings["query_pre_attn_scalar"] ** -0.5,
        windows=windows({**settings, "layer_types": _types(settings, every)}, folder),
        attention_soft_cap=settings["attn_logit_softcapping"],
        final_soft_cap=settings["final_logit_softcapping"],
        **switches,
    )


def _types(settings: Settings, every: int) -> list[str]:
    layers = range(1, settings["num_hidden_layers"] + 1)
    return settings["layer_types"] or [SLIDING if number % every else FULL for number in layers]


def _gemma2(settings: Settings, folder: Path) -> DecoderConfig:
    return _with_windows(settings, folder, every=2)


def _gemma3(settings: Settings, folder: Path) -> DecoderConfig:
    every = settings["sliding_window_pattern"] or settings["_sliding_window_pattern"] or 6
    ropes = _ropes(settings, folder)
    turning = tuple(ropes[kind] for kind in _types(settings, every))
    return _with_windows(settings, folder, every, query_key_norm=True, ropes=turning)


def _ropes(settings: Settings, folder: Path) -> dict[str, Rope]:
    """The rotary positions of layers with a window and without: each has a base, and only the latter are stretched."""
    given = settings.get("rope_parameters") or {}
    size, most = head_sizes(settings, folder)[2], settings["max_position_embeddings"]
    kinds = {
        FULL: {**settings, "rope_parameters": given.get(FULL)},
        SLIDING: {**settings, "rope_parameters": given.get(SLIDING), "rope_scaling": None, "rope_theta": None},
    }
    bases = {FULL: settings["rope_theta"], SLIDING: settings["rope_local_base_freq"]}
    return {kind: read_rope(rope_settings(kinds[kind], bases[kind]), size, most, folder) for kind in kinds}


_OF_LATER = {
    **_DEFAULTS,
    "hidden_activation": "gelu_pytorch_tanh",
    "query_pre_attn_scalar": 256,
    "sliding_window": 4096,
}
_SIZES = (*SIZES, "num_key_value_heads")

GEMMA = DecoderFamily(
    model_type="gemma",
    describe=_gemma,
    sizes=_SIZES,
    defaults=_DEFAULTS,
    supported={
        **_SUPPORTED,
        "hidden_act": ("gelu", "gelu_pytorch_tanh"),
        "hidden_activation": (None, "gelu_pytorch_tanh"),
    },
)
GEMMA2 = DecoderFamily(
    model_type="gemma2",
    describe=_gemma2,
    sizes=_SIZES,
    defaults={**_OF_LATER, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0},
    supported={**_SUPPORTED, "hidden_activation": tuple(ACTIVATIONS)},
    weights=partial(weights, names=FOUR_NORMS),
)
GEMMA3 = DecoderFamily(
    model_type="gemma3_text",
    describe=_gemma3,
    sizes=_SIZES,
    defaults={
        **_OF_LATER,
        "_sliding_window_pattern": None,
        "attn_logit_softcapping": None,
        "final_logit_softcapping": None,
        "rope_local_base_freq": 10_000.0,
        "rope_theta": 1_000_000.0,
        "sliding_window_pattern": None,
    },
    # transformers itself reads a cap of attention scores here, and does not apply it.
    supported={**_SUPPORTED, "hidden_activation": tuple(ACTIVATIONS), "attn_logit_softcapping": (None,)},
    weights=partial(weights, names=FOUR_NORMS),
)
