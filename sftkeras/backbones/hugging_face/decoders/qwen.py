"""Qwen2, Qwen2.5 and Qwen3: windows in the upper layers; biases in the first two, normalised heads in the last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sftkeras.backbones.decoders.config import DecoderConfig
from sftkeras.backbones.hugging_face.decoders.family import (
    DEFAULTS,
    FULL,
    SIZES,
    SLIDING,
    DecoderFamily,
    Settings,
    rms_config,
    windows,
)

_DEFAULTS = {**DEFAULTS, "use_sliding_window": False, "sliding_window": 4096, "max_window_layers": 28}


def _windows(settings: Settings, folder: Path) -> tuple[int | None, ...]:
    """Windows of the layers above `max_window_layers`, if windows are used at all."""
    layers, full = settings["num_hidden_layers"], settings["max_window_layers"]
    window = settings["sliding_window"] if settings["use_sliding_window"] else None
    types = [SLIDING if window and number >= full else FULL for number in range(layers)]
    types = settings["layer_types"] or types
    return windows({**settings, "sliding_window": window, "layer_types": types}, folder)


def _qwen2(settings: Settings, folder: Path) -> DecoderConfig:
    return rms_config(settings, folder, windows=_windows(settings, folder), query_key_value_bias=True)


def _qwen3(settings: Settings, folder: Path) -> DecoderConfig:
    bias: Any = settings["attention_bias"]
    return rms_config(
        settings,
        folder,
        windows=_windows(settings, folder),
        query_key_norm=True,
        query_key_value_bias=bias,
        attention_output_bias=bias,
    )


QWEN2 = DecoderFamily(model_type="qwen2", describe=_qwen2, sizes=(*SIZES, "num_key_value_heads"), defaults=_DEFAULTS)
QWEN3 = DecoderFamily(
    model_type="qwen3",
    describe=_qwen3,
    sizes=(*SIZES, "num_key_value_heads"),
    defaults={**_DEFAULTS, "head_dim": 128},
)
