"""Llama 1 to 3.2, and the models of its kind that say so: SmolLM, SmolLM2, TinyLlama."""

from __future__ import annotations

from pathlib import Path

from sftkeras.backbones.decoders.config import DecoderConfig
from sftkeras.backbones.hugging_face.decoders.family import DEFAULTS, SUPPORTED, DecoderFamily, Settings, rms_config


def _describe(settings: Settings, folder: Path) -> DecoderConfig:
    return rms_config(
        settings,
        folder,
        query_key_value_bias=settings["attention_bias"],
        attention_output_bias=settings["attention_bias"],
        feed_forward_bias=settings["mlp_bias"],
        windows=(None,) * settings["num_hidden_layers"],
    )


LLAMA = DecoderFamily(
    model_type="llama",
    describe=_describe,
    defaults={**DEFAULTS, "mlp_bias": False, "rope_interleaved": False},
    # Heads whose pairs stand beside each other, as in files for llama.cpp.
    supported={**SUPPORTED, "rope_interleaved": (False,)},
)
