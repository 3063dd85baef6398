"""GPT-2: layer norm, learned positions, a plain feed-forward part; kernels stand as they are multiplied."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sftkeras.backbones.decoders.config import DecoderConfig
from sftkeras.backbones.hugging_face.decoders.family import ACTIVATIONS, DecoderFamily, Settings, layer_norm_config
from sftkeras.backbones.hugging_face.decoders.weights import DecoderWeights, Joined, norm
from sftkeras.backbones.hugging_face.family import Weight, table

if TYPE_CHECKING:
    import keras

    from sftkeras.backbones.decoders.decoder import Decoder

PARTS = {
    "attn.c_attn": ("query", "key", "value"),
    "attn.c_proj": ("attention_output",),
    "mlp.c_fc": ("up",),
    "mlp.c_proj": ("down",),
}


def _weights(decoder: Decoder) -> DecoderWeights:
    assert decoder.position_embedding is not None
    yield from table(decoder.token_embedding.embeddings, "wte")
    yield from table(decoder.position_embedding.embeddings, "wpe")
    for number, layer in enumerate(decoder.transformer_layers):
        prefix, parts = f"h.{number}", layer.parts()
        yield from norm(parts["attention_norm"], f"{prefix}.ln_1")
        yield from norm(parts["feed_forward_norm"], f"{prefix}.ln_2")
        for name, joined in PARTS.items():
            layers = [parts[part] for part in joined]
            yield Joined(f"{prefix}.{name}.weight", tuple(_plain(each.kernel) for each in layers), axis=1)
            yield Joined(f"{prefix}.{name}.bias", tuple(_plain(each.bias) for each in layers))
    yield from norm(decoder.last_norm, "ln_f")


def _plain(variable: keras.Variable) -> Weight:
    return Weight(variable, "", tuple(variable.shape))


def _describe(settings: Settings, folder: Path) -> DecoderConfig:
    return layer_norm_config(
        folder,
        vocabulary_size=settings["vocab_size"],
        hidden_size=settings["n_embd"],
        heads=settings["n_head"],
        inner_size=settings["n_inner"] or 4 * settings["n_embd"],
        layers=settings["n_layer"],
        max_positions=settings["n_positions"],
        epsilon=settings["layer_norm_epsilon"],
        activation=ACTIVATIONS[settings["activation_function"]],
        tied=bool(settings["tie_word_embeddings"]),
        embedding_dropout=settings["embd_pdrop"],
        residual_dropout=settings["resid_pdrop"],
        attention_dropout=settings["attn_pdrop"],
    )


GPT2 = DecoderFamily(
    model_type="gpt2",
    describe=_describe,
    sizes=("vocab_size", "n_embd", "n_head", "n_layer", "n_positions"),
    defaults={
        "activation_function": "gelu_new",
        "attn_pdrop": 0.1,
        "embd_pdrop": 0.1,
        "layer_norm_epsilon": 1e-5,
        "n_inner": None,
        "resid_pdrop": 0.1,
        "tie_word_embeddings": True,
        "add_cross_attention": False,
        "reorder_and_upcast_attn": False,
        "scale_attn_by_inverse_layer_idx": False,
        "scale_attn_weights": True,
    },
    supported={
        "activation_function": tuple(ACTIVATIONS),
        "add_cross_attention": (False,),
        "reorder_and_upcast_attn": (False,),
        "scale_attn_by_inverse_layer_idx": (False,),
        "scale_attn_weights": (True,),
    },
    prefix="transformer.",
    weights=_weights,
    # Of a head that classifies, and what n_positions was called before.
    also_read=(
        "n_ctx",
        "summary_activation",
        "summary_first_dropout",
        "summary_proj_to_labels",
        "summary_type",
        "summary_use_proj",
    ),
)
