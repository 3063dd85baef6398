"""Soft targets of tasks that predict the next token: a teacher's most probable tokens at each learned place.

All logits of a teacher would fill disk and memory. Of a few tokens of each place the probabilities are made to sum to
one, and the others are taken to have none, as Gemma 3 learns (2025, arXiv:2503.19786, "Distillation"); its tokens are
drawn by their probabilities, these are the most probable ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from sftkeras.tasks.learned_places import (
    LABELS,
    NAME,
    PLACES,
    SHARED,
    SHARED_LOSSES,
    SHARES,
    LearnedPlaces,
    vectors_at,
)
from sftkeras.tasks.row_results import RowResults
from sftkeras.tasks.soft_targets import TEACHER, Ask, SoftTargets, model_inputs
from sftkeras.tasks.vocabulary_loss import MOST_LOGITS

if TYPE_CHECKING:
    from sftkeras.backbones.decoders.decoder import Decoder
    from sftkeras.tasks.network import TextModel

_TOKENS, _SHARES = f"{TEACHER}_tokens", f"{TEACHER}_shares"


class LikelyTokens(SoftTargets):
    """The most probable tokens of a teacher at each learned place, and their probabilities among one another.

    The loss of a place is the cross-entropy with the label and these tokens, in the shares of label and teacher.
    """

    exported = None
    by_token = True
    gives_losses = True

    def dtype(self, top_k: int) -> np.dtype:
        """Return that of a place: 6 bytes a token."""
        return np.dtype([("tokens", np.int32, (top_k,)), ("shares", np.float16, (top_k,))])

    def places(self, inputs: Mapping[str, np.ndarray], labels: np.ndarray) -> np.ndarray:
        """Return which places have a label, [rows, most]."""
        return labels >= 0

    def asking(self, model: TextModel, top_k: int) -> Ask:
        """Return what asks a teacher's decoder, which never holds more logits than a step of training does."""
        assert model.backbone is not None
        decoder: Decoder = model.backbone.model
        specs = {name: tf.TensorSpec(tensor.shape, tensor.dtype) for name, tensor in model.network.input.items()}
        # Further rows of the output layer are of no token, and the student may have fewer of them.
        vocabulary = min(decoder.output_kernel.shape[0], model.features.tokenizer.size)  # type: ignore[attr-defined]
        kept, at_once = min(top_k, vocabulary), max(1, MOST_LOGITS // decoder.output_kernel.shape[0])

        @tf.function(input_signature=[specs], autograph=False)
        def vectors_of(inputs: dict[str, tf.Tensor]) -> tf.Tensor:
            vectors = decoder({name: inputs[name] for name in decoder.input}, training=False)["sequence_output"]
            return vectors_at(vectors, inputs[PLACES], tf.where(inputs[LABELS] >= 0))

        @tf.function(input_signature=[tf.TensorSpec([None, decoder.config.hidden_size])], autograph=False)
        def likeliest(vectors: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            found = tf.math.top_k(decoder.logits(vectors)[:, :vocabulary], kept)
            return found.indices, tf.nn.softmax(found.values)

        def ask(inputs: Mapping[str, np.ndarray], labels: np.ndarray) -> np.ndarray:
            arrays = {**inputs, LABELS: labels}
            vectors = vectors_of({name: tf.constant(arrays[name]) for name in specs})
            given, places = np.zeros(labels.shape, self.dtype(top_k)), self.places(inputs, labels)
            found: np.ndarray = np.zeros(len(vectors), given.dtype)
            for begin in range(0, len(found), at_once):
                part = found[begin : begin + at_once]
                part["tokens"][:, :kept], part["shares"][:, :kept] = likeliest(vectors[begin : begin + at_once])
            given[places] = found
            return given

        return ask

    def as_inputs(self, given: np.ndarray) -> dict[str, np.ndarray]:
        """Return the tokens [rows, most, k] int32, and their shares float32, which sum to one, or zero for no place."""
        shares = given["shares"].astype(np.float32)
        total = shares.sum(-1, keepdims=True)
        return {_TOKENS: np.ascontiguousarray(given["tokens"]), _SHARES: shares / np.where(total > 0, total, 1)}

    def learning(self, network: keras.Model) -> keras.Model:
        """Return a network with the same weights whose learned places have several tokens each."""
        plain = network.get_layer(NAME)
        vectors, places, labels = plain.input
        shared = keras.Input((None, None), dtype="int32", name=SHARED)
        shares = keras.Input((None, None), dtype="float32", name=SHARES)
        # A layer of its own: Keras takes all calls of one to have as many outputs.
        learned = LearnedPlaces(plain.output_layer, soft_cap=plain.soft_cap, name=NAME)
        results = learned(vectors, places, labels, shared, shares)
        return keras.Model({**network.input, SHARED: shared, SHARES: shares}, results, name=f"{network.name}_taught")

    def row_results(self, network: Any, inputs: dict[str, tf.Tensor], labels: tf.Tensor, weight: float) -> RowResults:
        """Run `learning` on rows; see `SoftTargets`."""
        tokens, shares = inputs[_TOKENS], inputs[_SHARES]
        of_labels = tf.fill(tf.shape(labels), 1 - weight)
        results = network(
            {
                **model_inputs(inputs),
                LABELS: labels,
                SHARED: tf.concat([labels[..., tf.newaxis], tokens], -1),
                SHARES: tf.concat([of_labels[..., tf.newaxis], weight * shares], -1),
            }
        )
        learned = tf.reduce_sum(tf.cast(labels >= 0, tf.float32), -1)
        return RowResults(tf.math.divide_no_nan(tf.reduce_sum(results[SHARED_LOSSES], -1), learned), results)
