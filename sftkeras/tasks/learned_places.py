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
SHARED, SHARES = "shared_ids", "shares"
LOSSES, PREDICTED, SHARED_LOSSES = "losses", "predicted", "shared_losses"

NAME = "learned_places"  # of the layer in its network


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

    @property
    def table(self) -> keras.layers.Embedding:
        """The layer whose weights give logits."""
        return self.output_layer.tokens if isinstance(self.output_layer, Embeddings) else self.output_layer

    def call(
        self,
        vectors: tf.Tensor,
        places: tf.Tensor,
        labels: tf.Tensor,
        shared: tf.Tensor | None = None,
        shares: tf.Tensor | None = None,
        training: bool | None = None,
    ) -> dict[str, tf.Tensor]:
        """Compute what is learned at some places.

        Args:
            vectors: [batch, length, hidden].
            places: [batch, most] int32, whose vectors predict the next token.
            labels: [batch, most] int32, these tokens; `NO_LABEL` where a row has fewer.
            shared: [batch, most, some] int32, tokens that share the loss of a place, the label first; None where the
                label has it all.
            shares: [batch, most, some] float32, of these tokens, which sum to one.
            training: whether gradients will be asked for.

        Returns:
            `losses` [batch, most] float32, those of the labels, 0 where there is none; and `predicted` [batch, most]
            int32, the most probable tokens, `NO_LABEL` there. With `shared`, `shared_losses` [batch, most] float32 too,
            and `losses` then have no gradient.
        """
        learned = tf.where(labels >= 0)  # [tokens, 2] int64: row, and place in the row's list
        kernel = self.table.embeddings
        results = token_results(
            vectors_at(vectors, places, learned),
            tf.cast(tf.convert_to_tensor(kernel.value), tf.float32),
            tf.gather_nd(labels if shared is None else shared, learned),
            shares=None if shares is None else tf.gather_nd(shares, learned),
            soft_cap=self.soft_cap,
            learns=bool(training),
            kernel_learns=kernel.trainable,
            postpone=partial(postpone, kernel),
        )
        shape = tf.shape(labels, tf.int64)
        none = tf.fill(shape, NO_LABEL)
        found = {PREDICTED: tf.tensor_scatter_nd_update(none, learned, results.predicted)}
        if shared is None:
            return {LOSSES: tf.scatter_nd(learned, results.losses, shape), **found}
        of_labels = tf.scatter_nd(learned, results.first_losses, shape)
        return {LOSSES: of_labels, SHARED_LOSSES: tf.scatter_nd(learned, results.losses, shape), **found}

    def compute_output_spec(
        self,
        vectors: keras.KerasTensor,
        places: keras.KerasTensor,
        labels: keras.KerasTensor,
        shared: keras.KerasTensor | None = None,
        shares: keras.KerasTensor | None = None,
    ) -> dict[str, keras.KerasTensor]:
        """Says the shapes without a trace."""
        losses = (LOSSES,) if shared is None else (LOSSES, SHARED_LOSSES)
        return {
            **{name: keras.KerasTensor(labels.shape, "float32") for name in losses},
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


def vectors_at(vectors: tf.Tensor, places: tf.Tensor, learned: tf.Tensor) -> tf.Tensor:
    """Return the vectors at learned places, [tokens, hidden] float32.

    Args:
        vectors: [batch, length, hidden].
        places: [batch, most] int32.
        learned: [tokens, 2] int64, where in `places` they stand.
    """
    row, place = tf.cast(learned[:, 0], tf.int32), tf.gather_nd(places, learned)
    flat = tf.reshape(tf.cast(vectors, tf.float32), [-1, vectors.shape[-1]])
    return tf.gather(flat, row * tf.shape(vectors)[1] + place)
