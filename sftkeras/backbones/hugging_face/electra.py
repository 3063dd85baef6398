"""ELECTRA: BERT with embeddings of a width of their own, and no pooler."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sftkeras.backbones.hugging_face import bert
from sftkeras.backbones.hugging_face.family import Weights, dense, embeddings

if TYPE_CHECKING:
    import keras


def weights(encoder: keras.Model) -> Weights:
    """All weights of an `ElectraBackbone`.

    Hugging Face's ELECTRA has no pooler, KerasHub's does. Where there is one, as in modules of TF-Hub, it is kept under
    BERT's name, which other readers leave alone.
    """
    yield from embeddings(encoder)
    if encoder.embedding_dim != encoder.hidden_dim:
        yield from dense(encoder.embeddings_projection, "embeddings_project")
    yield from bert.layers(encoder)
    yield from dense(encoder.pooled_dense, "pooler.dense")


ELECTRA = replace(
    bert.BERT,
    model_type="electra",
    prefix="electra",
    encoder="ElectraBackbone",
    sizes={**bert.BERT.sizes, "vocab_size": "vocab_size", "embedding_size": "embedding_dim"},
    weights=weights,
)
