"""SmolLM3: Llama, but some layers have no rotary positions, and these may see a window alone."""

from __future__ import annotations

from pathlib import Path

from sftkeras.backbones.decoders.config import DecoderConfig
from sftkeras.backbones.hugging_face.decoders.family import (
    DEFAULTS,
    FULL,
    SLIDING,
    DecoderFamily,
    Settings,
    rms_config,
    rope,
    windows,
)
from sftkeras.errors import SFTError


def _describe(settings: Settings, folder: Path) -> DecoderConfig:
    layers, interval = settings["num_hidden_layers"], settings["no_rope_layer_interval"]
    # In spite of the name, 1 is a layer that turns.
    turning = settings["no_rope_layers"] or [int((number + 1) % interval != 0) for number in range(layers)]
    if len(turning) < layers:
        problem = f"no_rope_layers has {len(turning)} of {layers} layers"
        raise SFTError("SFT354", path=folder / "config.json", problem=problem)
    turning = turning[:layers]
    window = settings["sliding_window"] if settings["use_sliding_window"] else None
    types = settings["layer_types"] or [SLIDING if window and not turned else FULL for turned in turning]
    turns = rope(settings, folder)
    return rms_config(
        settings,
        folder,
        ropes=tuple(turns if turned else None for turned in turning),
        windows=windows({**settings, "sliding_window": window, "layer_types": types}, folder),
        query_key_value_bias=settings["attention_bias"],
        attention_output_bias=settings["attention_bias"],
        feed_forward_bias=settings["mlp_bias"],
    )


SMOLLM3 = DecoderFamily(
    model_type="smollm3",
    describe=_describe,
    defaults={
        **DEFAULTS,
        "mlp_bias": False,
        "no_rope_layers": None,
        "no_rope_layer_interval": 4,
        "rope_theta": 2_000_000.0,
        "tie_word_embeddings": True,
        "use_sliding_window": False,
    },
)
