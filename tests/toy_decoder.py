"""A decoder of one layer with random weights, which reads no text itself."""

from __future__ import annotations

from sftkeras.backbones import Backbone
from sftkeras.backbones.decoders.config import DecoderConfig, Rope
from sftkeras.backbones.decoders.decoder import Decoder


def toy_backbone(vocabulary_size: int, positions: int) -> Backbone:
    """The decoder as a backbone without a tokenizer; its weights follow Keras' seed."""
    config = DecoderConfig(
        vocabulary_size=vocabulary_size,
        hidden_size=16,
        heads=4,
        key_value_heads=2,
        head_size=4,
        inner_size=24,
        max_positions=positions,
        epsilon=1e-5,
        query_scale=0.5,
        windows=(None,),
        ropes=(Rope((1.0, 0.1)),),
    )
    return Backbone(Decoder(config), None, positions, False, "hugging_face", {}, kind="decoder")
