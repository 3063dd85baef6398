"""Mistral: Llama with a window in every layer, in its first version."""

from __future__ import annotations

from sftkeras.backbones.hugging_face.decoders.family import DEFAULTS, SIZES, SUPPORTED, DecoderFamily, rms_config

MISTRAL = DecoderFamily(
    model_type="mistral",
    describe=rms_config,
    sizes=(*SIZES, "num_key_value_heads"),
    defaults={**DEFAULTS, "sliding_window": 4096},
    supported={**SUPPORTED, "attention_bias": (False,), "layer_types": (None,)},
)
