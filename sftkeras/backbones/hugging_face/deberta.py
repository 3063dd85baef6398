"""DeBERTa-v3, which Hugging Face calls deberta-v2: attention that looks at contents and at relative positions apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sftkeras.backbones.hugging_face.family import ACTIVATIONS, Family, Weights, dense, norm, table, transformer_layers

if TYPE_CHECKING:
    import keras

_BOTH_WAYS = ("p2c|c2p", "c2p|p2c", ["p2c", "c2p"], ["c2p", "p2c"])  # position to content and content to position


def weights(encoder: keras.Model) -> Weights:
    """All weights of an encoder that `DEBERTA` built."""
    from sftkeras.internals.keras_hub import attention_parts, layer_parts

    yield from table(encoder.token_embedding.embeddings, "embeddings.word_embeddings")
    yield from norm(encoder.embeddings_layer_norm, "embeddings.LayerNorm")
    yield from table(encoder.relative_embeddings.rel_embeddings, "encoder.rel_embeddings")
    yield from norm(encoder.relative_embeddings.layer_norm, "encoder.LayerNorm")
    for number, layer in enumerate(transformer_layers(encoder)):
        prefix, parts = f"encoder.layer.{number}", layer_parts(layer)
        attention = attention_parts(parts.attention)
        yield from dense(attention.query, f"{prefix}.attention.self.query_proj")
        yield from dense(attention.key, f"{prefix}.attention.self.key_proj")
        yield from dense(attention.value, f"{prefix}.attention.self.value_proj")
        yield from dense(attention.output, f"{prefix}.attention.output.dense")
        yield from norm(parts.attention_norm, f"{prefix}.attention.output.LayerNorm")
        yield from dense(parts.intermediate, f"{prefix}.intermediate.dense")
        yield from dense(parts.output, f"{prefix}.output.dense")
        yield from norm(parts.output_norm, f"{prefix}.output.LayerNorm")


def _with_one_epsilon(encoder: keras.Model) -> None:
    encoder.relative_embeddings.layer_norm.epsilon = encoder.embeddings_layer_norm.epsilon


DEBERTA = Family(
    model_type="deberta-v2",
    prefix="deberta",
    encoder="DebertaV3Backbone",
    sizes={
        "vocab_size": "vocabulary_size",
        "hidden_size": "hidden_dim",
        "num_hidden_layers": "num_layers",
        "num_attention_heads": "num_heads",
        "intermediate_size": "intermediate_dim",
        "max_position_embeddings": "max_sequence_length",
        "position_buckets": "bucket_size",
    },
    weights=weights,
    defaults={
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-7,
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "type_vocab_size": 0,
        "relative_attention": False,
        "max_relative_positions": -1,
        "position_biased_input": True,
        "pos_att_type": None,
        "norm_rel_ebd": "none",
        "share_att_key": False,
        "conv_kernel_size": 0,
    },
    # What the checkpoints of version 3 have; those of version 2 add a convolution.
    supported={
        "hidden_act": ACTIVATIONS,
        "type_vocab_size": (0,),
        "relative_attention": (True,),
        "max_relative_positions": (-1,),
        "position_biased_input": (False,),
        "pos_att_type": _BOTH_WAYS,
        "norm_rel_ebd": ("layer_norm",),
        "share_att_key": (True,),
        "conv_kernel_size": (0,),
    },
    has_segments=False,
    adjust=_with_one_epsilon,
)
