"""The end of a decoder's network while it learns: vectors at some places to the losses of the tokens that follow."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import tensorflow as tf

from sftkeras.backbones.decoders.decoder import Embeddings
from sftkeras.tasks.late_gradients import postpone
from sftkeras.tasks.vocabulary_loss import NO_LABEL, token_results

# Inputs of the layer beside the vectors, and what it gives.
PLACES, LABELS = "learned_positions", "learned_ids"
LOSSES, PREDICTED = "losses", "predicted"


@keras.saving.register_keras_serializable("sftkeras")
class LearnedPlaces(keras.layers.Layer):
    """Losses and predictions at learned places; no other place meets the vocabulary.

    They are in float32 where other products are in bfloat16: a logit of 20 would be off by 0.06 there, more than a step
    changes the loss. For SmolLM2-135M, with half of the tokens learned, these are a fourteenth of a step's products.

    Args:
        output_layer: has the table that gives logits: a layer of the network's own, or its embeddings where tied.
        soft_cap: bounds the logits; None leaves them.
    """

    def __init__(
        self, output_layer: keras.layers.Embedding | Embeddings, *, soft_cap: float | None = None, **kwargs: object
    ) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.output_layer = output_layer
        self.soft_cap = soft_cap
        self.built = True

    def call(
        self, vectors: tf.Tensor, places: tf.Tensor, labels: tf.Tensor, training: bool | None = None
    ) -> dict[str, tf.Tensor]:
        """Compute what is learned at some places.

        Args:
            vectors: [batch, length, hidden].
            places: [batch, most] int32, whose vectors predict the next token.
            labels: [batch, most] int32, these tokens; `NO_LABEL` where a row has fewer.
            training: whether gradients will be asked for.

        Returns:
            `losses` [batch, most] float32, 0 where there is no label, and `predicted` [batch, most] int32, the most
            probable tokens, `NO_LABEL` there.
        """
        table = self.output_layer.tokens if isinstance(self.output_layer, Embeddings) else self.output_layer
        length, hidden = tf.shape(vectors)[1], vectors.shape[-1]
        learned = tf.where(labels >= 0)  # [tokens, 2] int64: row, and place in the row's list
        row, place = tf.cast(learned[:, 0], tf.int32), tf.gather_nd(places, learned)
        asked = tf.gather(tf.reshape(tf.cast(vectors, tf.float32), [-1, hidden]), row * length + place)
        results = token_results(
            asked,
            tf.cast(tf.convert_to_tensor(table.embeddings.value), tf.float32),
            tf.gather_nd(labels, learned),
            soft_cap=self.soft_cap,
            learns=bool(training),
            kernel_learns=table.embeddings.trainable,
            postpone=partial(postpone, table.embeddings),
        )
        shape = tf.shape(labels, tf.int64)
        none = tf.fill(shape, NO_LABEL)
        return {
            LOSSES: tf.scatter_nd(learned, results.losses, shape),
            PREDICTED: tf.tensor_scatter_nd_update(none, learned, results.predicted),
        }

    def compute_output_spec(
        self, vectors: keras.KerasTensor, places: keras.KerasTensor, labels: keras.KerasTensor
    ) -> dict[str, keras.KerasTensor]:
        """Says the shapes without a trace."""
        return {
            LOSSES: keras.KerasTensor(labels.shape, "float32"),
            PREDICTED: keras.KerasTensor(labels.shape, "int32"),
        }

    def get_config(self) -> dict[str, Any]:
        """The output layer, which Keras finds again in the network, and the soft cap."""
        output_layer = keras.saving.serialize_keras_object(self.output_layer)
        return {**super().get_config(), "output_layer": output_layer, "soft_cap": self.soft_cap}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LearnedPlaces:
        """A layer of this config; of a network that Keras saved, with the output layer of that network."""
        return cls(**{**config, "output_layer": keras.saving.deserialize_keras_object(config["output_layer"])})
