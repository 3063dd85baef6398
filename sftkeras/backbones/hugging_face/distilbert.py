"""DistilBERT: BERT's layers by other names, without segments and pooler."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sftkeras.backbones.hugging_face.family import (
    ACTIVATIONS,
    Family,
    Weights,
    norm,
    table,
    transformer_layer,
    transformer_layers,
)

if TYPE_CHECKING:
    import keras

_PARTS = {
    "query": "attention.q_lin",
    "key": "attention.k_lin",
    "value": "attention.v_lin",
    "attention": "attention.out_lin",
    "attention_norm": "sa_layer_norm",
    "intermediate": "ffn.lin1",
    "output": "ffn.lin2",
    "output_norm": "output_layer_norm",
}


def weights(encoder: keras.Model) -> Weights:
    """All weights of an encoder that `DISTILBERT` built."""
    yield from table(encoder.token_embedding.embeddings, "embeddings.word_embeddings")
    yield from table(encoder.embeddings.position_embedding.position_embeddings, "embeddings.position_embeddings")
    yield from norm(encoder.embeddings_layer_norm, "embeddings.LayerNorm")
    for number, layer in enumerate(transformer_layers(encoder)):
        names = {part: f"transformer.layer.{number}.{name}" for part, name in _PARTS.items()}
        yield from transformer_layer(layer, names)


def _without_dropout_after_attention(encoder: keras.Model) -> None:
    """DistilBERT drops attention weights, but not what attention gives, unlike KerasHub's layer."""
    from sftkeras.internals.keras_hub import layer_parts

    for layer in transformer_layers(encoder):
        layer_parts(layer).attention_dropout.rate = 0.0


DISTILBERT = Family(
    model_type="distilbert",
    prefix="distilbert",
    encoder="DistilBertBackbone",
    sizes={
        "vocab_size": "vocabulary_size",
        "dim": "hidden_dim",
        "n_layers": "num_layers",
        "n_heads": "num_heads",
        "hidden_dim": "intermediate_dim",
        "max_position_embeddings": "max_sequence_length",
    },
    weights=weights,
    # The layer norm's epsilon is no setting of DistilBERT.
    defaults={"activation": "gelu", "layer_norm_eps": 1e-12, "dropout": 0.1, "attention_dropout": 0.1},
    supported={"activation": ACTIVATIONS, "layer_norm_eps": (1e-12,)},
    activation="activation",
    dropout=("dropout", "attention_dropout"),
    has_segments=False,
    adjust=_without_dropout_after_attention,
)
