"""The interface that all encoders here have, for KerasHub backbones that have only a part of it."""

from __future__ import annotations

import keras
import keras_hub


class TokenEncoder(keras.Model):
    """A backbone without segments and pooler: it takes segment numbers and ignores them, and pools by the first token.

    Its layers are those of the backbone, and attributes have the backbone's names.
    """

    pooled_dense = None

    def __init__(self, backbone: keras_hub.models.Backbone) -> None:
        tokens = backbone.output
        segments = keras.Input((None,), dtype="int32", name="segment_ids")
        super().__init__(
            inputs={**backbone.input, segments.name: segments},
            outputs={"sequence_output": tokens, "pooled_output": tokens[:, 0, :]},
            name=backbone.name,
        )
        sizes = ("vocabulary_size", "num_layers", "num_heads", "hidden_dim", "intermediate_dim", "max_sequence_length")
        layers = ("token_embedding", "embeddings_layer_norm", "embeddings_dropout", "transformer_layers")
        of_some = ("embeddings", "relative_embeddings", "bucket_size")  # DistilBERT's, and DeBERTa's
        for name in (*sizes, *layers, *(name for name in of_some if hasattr(backbone, name))):
            setattr(self, name, getattr(backbone, name))
