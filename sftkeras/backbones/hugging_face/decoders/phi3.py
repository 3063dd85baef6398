"""Phi-3: Llama whose checkpoints join queries, keys and values, and gate and up, in one tensor each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sftkeras.backbones.decoders.config import DecoderConfig
from sftkeras.backbones.hugging_face.decoders.family import DEFAULTS, SUPPORTED, DecoderFamily, Settings, rms_config
from sftkeras.backbones.hugging_face.decoders.weights import NAMES, DecoderWeights, Joined, dense, layer_weights, norm
from sftkeras.backbones.hugging_face.family import table

if TYPE_CHECKING:
    from sftkeras.backbones.decoders.decoder import Decoder

JOINED = {"self_attn.qkv_proj": ("query", "key", "value"), "mlp.gate_up_proj": ("gate", "up")}
OTHER_NAMES = {part: name for part, name in NAMES.items() if all(part not in parts for parts in JOINED.values())}


def _weights(decoder: Decoder) -> DecoderWeights:
    yield from table(decoder.token_embedding.embeddings, "embed_tokens")
    for number, layer in enumerate(decoder.transformer_layers):
        prefix, parts = f"layers.{number}", layer.parts()
        yield from layer_weights(layer, prefix, OTHER_NAMES)
        for name, joined in JOINED.items():
            kernels = tuple(weight for part in joined for weight in dense(parts[part], part))
            yield Joined(f"{prefix}.{name}.weight", kernels)
    yield from norm(decoder.last_norm, "norm")


def _describe(settings: Settings, folder: Path) -> DecoderConfig:
    scaling = settings.get("rope_scaling") or settings.get("rope_parameters") or {}
    if "yarn" in (scaling.get("rope_type"), scaling.get("type")):  # what its first configs called LongRoPE
        settings = {**settings, "rope_scaling": {**scaling, "rope_type": "longrope"}}
    return rms_config(
        settings, folder, embedding_dropout=settings["embd_pdrop"], residual_dropout=settings["resid_pdrop"]
    )


PHI3 = DecoderFamily(
    model_type="phi3",
    describe=_describe,
    defaults={
        **DEFAULTS,
        "embd_pdrop": 0.0,
        "original_max_position_embeddings": 4096,
        "resid_pdrop": 0.0,
        "rms_norm_eps": 1e-5,
    },
    supported={**SUPPORTED, "attention_bias": (False,), "layer_types": (None,)},
    weights=_weights,
)
