"""The head that predicts masked tokens: vectors at some places to logits over the vocabulary, in float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from sftkeras.internals.keras import replace_weight


@keras.saving.register_keras_serializable("sftkeras")
class VocabularyHead(keras.layers.Layer):
    """BERT's masked-LM head (Devlin et al., 2019): a dense layer and a layer norm, then the transposed token embedding.

    Only the asked places are projected to the vocabulary, which is most of the work and of the memory. Own code rather
    than KerasHub's `MaskedLMHead`, which gathers by an index for each number, and computes the product in the
    encoder's precision.

    Args:
        embedding: the encoder's token embedding, whose weights are learned in both places.
        activation: of the dense layer.
        epsilon: of the layer norm.

    Attributes:
        pretrained: whether its weights came with the encoder.
    """

    pretrained = False

    def __init__(
        self,
        embedding: keras.layers.Embedding,
        *,
        activation: Callable[[tf.Tensor], tf.Tensor],
        epsilon: float,
        **kwargs: object,
    ) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.embedding = embedding
        self.dense = keras.layers.Dense(embedding.output_dim, activation=activation, dtype="float32", name="dense")
        self.norm = keras.layers.LayerNormalization(epsilon=epsilon, dtype="float32", name="norm")

    def get_config(self) -> dict[str, Any]:
        """The embedding, which Keras finds again in the network, and what the head computes with."""
        embedding = keras.saving.serialize_keras_object(self.embedding)
        activation = keras.activations.serialize(self.dense.activation)
        return {
            **super().get_config(),
            "embedding": embedding,
            "activation": activation,
            "epsilon": self.norm.epsilon,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> VocabularyHead:
        """A head of this config; of a network that Keras saved, with the embedding of that network."""
        embedding = keras.saving.deserialize_keras_object(config["embedding"])
        return cls(**{**config, "embedding": embedding, "activation": keras.activations.get(config["activation"])})

    def build(self, vectors_shape: tuple, positions_shape: tuple) -> None:
        """Makes the weights."""
        self.dense.build(vectors_shape)
        self.norm.build((*vectors_shape[:-1], self.embedding.output_dim))
        self.bias = self.add_weight(shape=(self.embedding.input_dim,), initializer="zeros", name="bias")

    def call(self, vectors: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
        """Gives logits [batch, places, vocabulary] of `vectors` [batch, length, hidden] at `positions`."""
        asked = tf.gather(vectors, positions, batch_dims=1)
        table = tf.cast(tf.convert_to_tensor(self.embedding.embeddings), tf.float32)
        return tf.matmul(self.norm(self.dense(asked)), table, transpose_b=True) + self.bias

    def keep_tokens(self, kept: np.ndarray) -> None:
        """Keeps the biases of some tokens alone, [kept] int32 of their numbers, as the embedding does with its rows."""
        replace_weight(self, "bias", self.bias.numpy()[kept])

    @staticmethod
    def of(network: keras.Model) -> VocabularyHead | None:
        """The head of a network, None if it has another."""
        return next((layer for layer in network.layers if isinstance(layer, VocabularyHead)), None)

    def compute_output_shape(self, vectors_shape: tuple, positions_shape: tuple) -> tuple:
        """[batch, places, vocabulary]."""
        return (*positions_shape, self.embedding.input_dim)
