"""Names of inputs and variables in public TF-Hub text encoders, each with its meaning here.

The names are those of today's exports; `native` knows how older ones differ.
"""

from __future__ import annotations

from collections.abc import Iterator

import keras
from keras_hub.layers import TransformerEncoder

from sftkeras.internals.keras_hub import attention_parts, layer_parts

Named = Iterator[tuple[keras.Variable, str]]

# What an encoder takes, by its name in public modules and by ours.
HUB_INPUTS = {"input_word_ids": "token_ids", "input_mask": "padding_mask", "input_type_ids": "segment_ids"}


def hub_names(encoder: keras.Model, pooler: bool) -> Named:
    """Yields each variable of a KerasHub BERT, ELECTRA or ALBERT with its name in public TF-Hub modules.

    Args:
        encoder: the encoder.
        pooler: whether its pooler is among them.
    """
    yield encoder.token_embedding.embeddings, "word_embeddings/embeddings"
    yield encoder.position_embedding.position_embeddings, "position_embedding/embeddings"
    yield encoder.segment_embedding.embeddings, "type_embeddings/embeddings"
    yield from _norm(encoder.embeddings_layer_norm, "embeddings/layer_norm")
    if projection := getattr(encoder, "embeddings_projection", None):
        yield from _dense(projection, "embedding_projection")
    for prefix, layer in _transformer_layers(encoder):
        parts = layer_parts(layer)
        attention = attention_parts(parts.attention)
        yield from _dense(attention.query, f"{prefix}/self_attention/query")
        yield from _dense(attention.key, f"{prefix}/self_attention/key")
        yield from _dense(attention.value, f"{prefix}/self_attention/value")
        yield from _dense(attention.output, f"{prefix}/self_attention/attention_output")
        yield from _norm(parts.attention_norm, f"{prefix}/self_attention_layer_norm")
        yield from _dense(parts.intermediate, f"{prefix}/intermediate")
        yield from _dense(parts.output, f"{prefix}/output")
        yield from _norm(parts.output_norm, f"{prefix}/output_layer_norm")
    if pooler:
        yield from _dense(encoder.pooled_dense, "pooler_transform")


def _transformer_layers(encoder: keras.Model) -> Iterator[tuple[str, TransformerEncoder]]:
    if isinstance(encoder.transformer_layers[0], list):  # one layer that is run again and again, as in ALBERT
        ((layer,),) = encoder.transformer_layers
        yield "transformer", layer
    else:
        for number, layer in enumerate(encoder.transformer_layers):
            yield f"transformer/layer_{number}", layer


def _dense(layer: keras.layers.Layer, name: str) -> Named:
    yield layer.kernel, f"{name}/kernel"
    yield layer.bias, f"{name}/bias"


def _norm(layer: keras.layers.Layer, name: str) -> Named:
    yield layer.gamma, f"{name}/gamma"
    yield layer.beta, f"{name}/beta"
