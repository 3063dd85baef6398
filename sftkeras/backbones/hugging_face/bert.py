"""BERT: embeddings as wide as the layers, and a pooler."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sftkeras.backbones.hugging_face.family import (
    ACTIVATIONS,
    Family,
    Weights,
    dense,
    embeddings,
    transformer_layer,
    transformer_layers,
)

if TYPE_CHECKING:
    import keras

_PARTS = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "intermediate": "intermediate.dense",
    "output": "output.dense",
    "output_norm": "output.LayerNorm",
}


def weights(encoder: keras.Model) -> Weights:
    """All weights of a `BertBackbone`."""
    yield from embeddings(encoder)
    yield from layers(encoder)
    yield from dense(encoder.pooled_dense, "pooler.dense")


def layers(encoder: keras.Model) -> Weights:
    """The weights of the transformer layers by the names that BERT and its descendants have for them."""
    for number, layer in enumerate(transformer_layers(encoder)):
        names = {part: f"encoder.layer.{number}.{name}" for part, name in _PARTS.items()}
        yield from transformer_layer(layer, names)


BERT = Family(
    model_type="bert",
    prefix="bert",
    encoder="BertBackbone",
    sizes={
        "vocab_size": "vocabulary_size",
        "hidden_size": "hidden_dim",
        "num_hidden_layers": "num_layers",
        "num_attention_heads": "num_heads",
        "intermediate_size": "intermediate_dim",
        "max_position_embeddings": "max_sequence_length",
    },
    weights=weights,
    defaults={
        "type_vocab_size": 2,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "position_embedding_type": "absolute",
        "is_decoder": False,
    },
    supported={"hidden_act": ACTIVATIONS, "position_embedding_type": ("absolute",), "is_decoder": (False,)},
)
