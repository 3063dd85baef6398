"""Tasks whose model predicts the next token: network, targets, loss and metrics that chat and causal_lm share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from sftkeras.backbones import Backbone
from sftkeras.config import Pooling
from sftkeras.errors import SFTError
from sftkeras.internals.keras import with_direction
from sftkeras.tasks.contract import Task
from sftkeras.tasks.learned_places import LABELS, LOSSES, NAME, PLACES, PREDICTED, LearnedPlaces
from sftkeras.tasks.likely_tokens import LikelyTokens
from sftkeras.tasks.row_results import RowResults
from sftkeras.tasks.vocabulary_loss import NO_LABEL
from sftkeras.text import AnyTokenizer, Tokenizer

# What the token cache has of a row, beside "padding_mask"; and what the decoder asks for.
TOKENS, LEARNED = "token_ids", "learned"
POSITIONS, SEGMENTS = "positions", "segments"


class NextTokens(Task):
    """Predicts each learned token from those before it.

    The network ends in the losses of the learned places, since all their logits would fill the memory. The loss is the
    mean over all learned tokens of a batch, however these are divided among rows, devices and micro-batches.
    """

    @property
    def embedding_noise(self) -> float:
        """Strength of the noise on token vectors in training; see `StreamNoise`."""
        return 0.0

    def network(self, backbone: Backbone, pooling: Pooling) -> keras.Model:
        """Gives the losses of learned places and the most probable tokens there; see `LearnedPlaces`."""
        decoder = backbone.model
        decoder.noise.alpha = self.embedding_noise
        places = keras.Input((None,), dtype="int32", name=PLACES)
        labels = keras.Input((None,), dtype="int32", name=LABELS)
        learned = LearnedPlaces(decoder.output_source, soft_cap=decoder.final_soft_cap, name=NAME)
        results = learned(decoder.output["sequence_output"], places, labels)
        return keras.Model({**decoder.input, PLACES: places, LABELS: labels}, results, name=self.kind)

    def targets(
        self, inputs: dict[str, np.ndarray], labels: Any, random: np.random.Generator
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """The decoder's inputs, the places from which a learned token is predicted, and these tokens.

        Args:
            inputs: `token_ids`, `learned` and `padding_mask` of rows; of packed ones `segments` and `positions` too.
            labels: nothing.
            random: nothing is drawn.

        Returns:
            `token_ids`, `positions` and `segments` [rows, length] int32, and `learned_positions` [rows, most] int32, 0
            where a row has fewer; and labels likewise, -1 there.
        """
        token_ids, mask = inputs[TOKENS], inputs["padding_mask"]
        segments = inputs.get(SEGMENTS, mask)
        positions = inputs.get(POSITIONS, (np.arange(mask.shape[1], dtype=np.int32) * mask).astype(np.int32))
        # A token is predicted at the place before its own; the first of a segment, by nothing.
        follows = (segments[:, 1:] == segments[:, :-1]) & (inputs[LEARNED][:, 1:] > 0) & (mask[:, 1:] > 0)
        most = max(1, int(follows.sum(1).max(initial=0)))
        order = np.argsort(~follows, axis=1, kind="stable")[:, :most]
        there = np.take_along_axis(follows, order, 1)
        tokens = np.where(there, np.take_along_axis(token_ids[:, 1:], order, 1), NO_LABEL)
        places = np.where(there, order, 0).astype(np.int32)
        return {TOKENS: token_ids, POSITIONS: positions, SEGMENTS: segments, PLACES: places}, tokens.astype(np.int32)

    def row_results(
        self, network: Callable[[dict[str, tf.Tensor]], Any], inputs: dict[str, tf.Tensor], labels: tf.Tensor
    ) -> RowResults:
        """Gives each row's mean loss over its learned tokens, and what the network gives."""
        results = network({**inputs, LABELS: labels})
        learned = tf.reduce_sum(tf.cast(labels >= 0, tf.float32), -1)
        return RowResults(tf.math.divide_no_nan(tf.reduce_sum(results[LOSSES], -1), learned), results)

    def soft_targets(self) -> LikelyTokens:
        """The most probable tokens of a teacher at learned places."""
        return LikelyTokens(self)

    def example_weights(self, labels: np.ndarray) -> np.ndarray:
        """The number of learned tokens of each row, so that all of a batch have the same weight."""
        return (labels >= 0).sum(-1).astype(np.float32)

    def units(self, labels: tf.Tensor) -> tf.Tensor:
        """The number of learned tokens."""
        return tf.reduce_sum(tf.cast(labels >= 0, tf.int32))

    def metrics(self) -> list[keras.metrics.Metric]:
        """Share of learned tokens that are the most probable ones, and perplexity."""
        accuracy = keras.metrics.MeanMetricWrapper(_found, name="token_accuracy", dtype="float32")
        perplexity = Perplexity(_losses, name="perplexity", dtype="float32")
        return [with_direction(accuracy, "up"), with_direction(perplexity, "down")]

    def truths(self, labels: tf.Tensor) -> tf.Tensor:
        """The learned tokens, [rows, most]."""
        return labels

    def predictions(self, logits: Any) -> Any:
        """Outputs of the network."""
        return logits


def decoder_tokenizer(tokenizer: AnyTokenizer, kind: str) -> Tokenizer:
    """Return the tokenizer, if it is a decoder's.

    Args:
        tokenizer: of the backbone.
        kind: the task, for messages.

    Raises:
        SFTError: SFT610.
    """
    if not isinstance(tokenizer, Tokenizer) or tokenizer.decoder is None:
        raise SFTError("SFT610", kind=kind, reason="it is no decoder, which would predict the next token")
    return tokenizer


class Perplexity(keras.metrics.MeanMetricWrapper):
    """Exponential of the mean loss."""

    def result(self) -> tf.Tensor:
        """The perplexity so far."""
        return tf.exp(super().result())


def _found(truths: tf.Tensor, results: dict[str, tf.Tensor]) -> tf.Tensor:
    """Whether each learned token was predicted, [tokens]."""
    return tf.cast(tf.boolean_mask(truths == results[PREDICTED], truths >= 0), tf.float32)


def _losses(truths: tf.Tensor, results: dict[str, tf.Tensor]) -> tf.Tensor:
    """The loss of each learned token, [tokens]."""
    return tf.boolean_mask(results[LOSSES], truths >= 0)
