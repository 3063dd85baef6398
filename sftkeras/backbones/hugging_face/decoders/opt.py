"""OPT: layer norm, learned positions after two rows that no token has, a plain feed-forward part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sftkeras.backbones.decoders.config import DecoderConfig
from sftkeras.backbones.hugging_face.decoders.family import ACTIVATIONS, DecoderFamily, Settings, layer_norm_config
from sftkeras.backbones.hugging_face.decoders.weights import DecoderWeights, layer_weights, norm
from sftkeras.backbones.hugging_face.family import table
from sftkeras.errors import SFTError

if TYPE_CHECKING:
    from sftkeras.backbones.decoders.decoder import Decoder

UNUSED_POSITIONS = 2
NAMES = {
    "attention_norm": "self_attn_layer_norm",
    "query": "self_attn.q_proj",
    "key": "self_attn.k_proj",
    "value": "self_attn.v_proj",
    "attention_output": "self_attn.out_proj",
    "feed_forward_norm": "final_layer_norm",
    "up": "fc1",
    "down": "fc2",
}


def _weights(decoder: Decoder) -> DecoderWeights:
    assert decoder.position_embedding is not None
    yield from table(decoder.token_embedding.embeddings, "decoder.embed_tokens")
    yield from table(decoder.position_embedding.embeddings, "decoder.embed_positions")
    for number, layer in enumerate(decoder.transformer_layers):
        yield from layer_weights(layer, f"decoder.layers.{number}", NAMES)
    yield from norm(decoder.last_norm, "decoder.final_layer_norm")


def _describe(settings: Settings, folder: Path) -> DecoderConfig:
    hidden, width = settings["hidden_size"], settings["word_embed_proj_dim"]
    if width not in (None, hidden):
        raise SFTError("SFT355", folder=folder, key="word_embed_proj_dim", value=width, known=hidden)
    return layer_norm_config(
        folder,
        vocabulary_size=settings["vocab_size"],
        hidden_size=hidden,
        heads=settings["num_attention_heads"],
        inner_size=settings["ffn_dim"],
        layers=settings["num_hidden_layers"],
        max_positions=settings["max_position_embeddings"],
        first_position=UNUSED_POSITIONS,
        epsilon=1e-5,  # PyTorch's own; config.json has no place for it
        activation=ACTIVATIONS[settings["activation_function"]],
        bias=settings["enable_bias"],
        tied=bool(settings["tie_word_embeddings"]),
        residual_dropout=settings["dropout"],
        attention_dropout=settings["attention_dropout"],
    )


OPT = DecoderFamily(
    model_type="opt",
    describe=_describe,
    sizes=(
        "vocab_size",
        "hidden_size",
        "ffn_dim",
        "num_hidden_layers",
        "num_attention_heads",
        "max_position_embeddings",
    ),
    defaults={
        "activation_function": "relu",
        "attention_dropout": 0.0,
        "dropout": 0.1,
        "enable_bias": True,
        "tie_word_embeddings": True,
        "word_embed_proj_dim": None,
        "_remove_final_layer_norm": False,
        "do_layer_norm_before": True,
        "layer_norm_elementwise_affine": True,
        "layerdrop": 0.0,
    },
    supported={
        "activation_function": tuple(ACTIVATIONS),
        "_remove_final_layer_norm": (False,),
        "do_layer_norm_before": (True,),
        "layer_norm_elementwise_affine": (True,),
        "layerdrop": (0.0,),
    },
    weights=_weights,
    also_read=("init_std", "prefix", "activation_dropout"),
)
