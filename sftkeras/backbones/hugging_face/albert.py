"""ALBERT: one layer that is run again and again, narrow embeddings, and a pooler."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sftkeras.backbones.hugging_face import bert
from sftkeras.backbones.hugging_face.family import Weights, dense, embeddings, transformer_layer

if TYPE_CHECKING:
    import keras

_LAYER = "encoder.albert_layer_groups.0.albert_layers.0"
_NAMES = {
    "query": f"{_LAYER}.attention.query",
    "key": f"{_LAYER}.attention.key",
    "value": f"{_LAYER}.attention.value",
    "attention": f"{_LAYER}.attention.dense",
    "attention_norm": f"{_LAYER}.attention.LayerNorm",
    "intermediate": f"{_LAYER}.ffn",
    "output": f"{_LAYER}.ffn_output",
    "output_norm": f"{_LAYER}.full_layer_layer_norm",
}


def weights(encoder: keras.Model) -> Weights:
    """All weights of an `AlbertBackbone`."""
    yield from embeddings(encoder)
    yield from dense(encoder.embeddings_projection, "encoder.embedding_hidden_mapping_in")
    ((layer,),) = encoder.transformer_layers
    yield from transformer_layer(layer, _NAMES)
    yield from dense(encoder.pooled_dense, "pooler")


ALBERT = replace(
    bert.BERT,
    model_type="albert",
    prefix="albert",
    encoder="AlbertBackbone",
    sizes={**bert.BERT.sizes, "embedding_size": "embedding_dim"},
    weights=weights,
    defaults={
        **bert.BERT.defaults,
        "hidden_act": "gelu_new",
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "num_hidden_groups": 1,
        "inner_group_num": 1,
    },
    supported={**bert.BERT.supported, "num_hidden_groups": (1,), "inner_group_num": (1,)},
)
