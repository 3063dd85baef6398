"""Masked language modelling: predicts masked tokens, which adapts an encoder to unlabelled texts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from sftkeras.backbones import Backbone
from sftkeras.backbones.hugging_face.masked_lm import read_head
from sftkeras.config import Pooling
from sftkeras.errors import SFTError
from sftkeras.internals.keras import with_direction
from sftkeras.internals.keras_hub import layer_parts
from sftkeras.tasks.by_text import Values, by_text
from sftkeras.tasks.contract import Task
from sftkeras.tasks.masked_lm.features import MASKED_IDS, PIECES, POSITIONS, WORDS, Mask, MaskedFeatures, mask_of
from sftkeras.tasks.masked_lm.spec import MaskedLMSettings
from sftkeras.tasks.masked_lm.vocabulary_head import VocabularyHead
from sftkeras.tasks.network import token_vectors
from sftkeras.text import AnyTokenizer, Cleaning, Features, Tokenizer, with_special_strings
from sftkeras.text.features.window_features import TEXT_NUMBER, TEXTS

NOT_MASKED = -1  # fills the rows of labels

# Of the masked tokens, these shares become the mask, or any token; the rest stay as they are (Devlin et al., 2019).
_MASKED, _RANDOM = 0.8, 0.1
_GUESSES = 5


@dataclass(frozen=True)
class MaskedLM(Task):
    """Predicts masked tokens from the text around them, as BERT is pretrained (Devlin et al., 2019, arXiv:1810.04805).

    Tokens to mask are drawn anew for every batch, so they differ in every epoch.

    Attributes:
        mask_share: share of a text's tokens that is masked.
        whole_words: mask all tokens of a word or none (Cui et al., 2021, arXiv:1906.08101, for Chinese too).
        chinese_words: take Chinese words from jieba's dictionary; otherwise each character is one.
        mask: the token that replaces a masked one; None until the tokenizer is known.
        vocabulary: number of tokens.
    """

    mask_share: float = 0.15
    whole_words: bool = True
    chinese_words: bool = False
    mask: Mask | None = None
    vocabulary: int = 0

    kind: ClassVar[str] = "masked_lm"

    def for_tokenizer(self, tokenizer: AnyTokenizer) -> MaskedLM:
        """The task, once it knows the vocabulary.

        Raises:
            SFTError: SFT610 if the tokenizer does not give its vocabulary, SFT299 if it has no mask.
        """
        if not isinstance(tokenizer, Tokenizer):
            raise SFTError("SFT610", kind=self.kind, reason="its tokenizer does not give its vocabulary")
        mask = mask_of(tokenizer)
        if mask is None:
            raise SFTError("SFT299", size=tokenizer.size)
        return replace(self, mask=mask, vocabulary=tokenizer.size)

    def features(
        self, tokenizer: AnyTokenizer, *, max_length: int, pairs: bool, cleaning: Cleaning | None = None
    ) -> Features:
        """Single texts, long ones as several rows, with the number of each token's word; a text may have masks."""
        assert self.mask is not None
        known = with_special_strings(tokenizer, {self.mask.string: self.mask.number})  # type: ignore[arg-type]
        words: dict[str, Any] = {"whole_words": self.whole_words}
        if self.whole_words and self.chinese_words:
            from sftkeras.tasks.masked_lm.chinese_words import inside_words, rules

            words |= {"split_words": inside_words, "split_rules": rules()}
        return MaskedFeatures(
            cleaning.before(known) if cleaning else known, max_length=max_length, mask=self.mask.number, **words
        )

    def network(self, backbone: Backbone, pooling: Pooling) -> keras.Model:
        """Gives logits [batch, masked tokens, vocabulary]; the head begins as the checkpoint's own, if it has one.

        Raises:
            SFTError: SFT610 if the encoder does not say enough of tokens.
        """
        vectors = token_vectors(backbone, self.kind)
        encoder = backbone.model
        if backbone.token_embedding is None:
            raise SFTError("SFT610", kind=self.kind, reason="its token embedding is inside of a TF-Hub module")
        head = VocabularyHead(
            backbone.token_embedding,
            activation=layer_parts(backbone.layers[0]).intermediate.activation,
            epsilon=encoder.embeddings_layer_norm.epsilon,
            name="vocabulary",
        )
        positions = keras.Input((None,), dtype="int32", name=POSITIONS)
        network = keras.Model({**encoder.input, POSITIONS: positions}, head(vectors, positions), name=self.kind)
        if backbone.weights is not None:
            head.pretrained = read_head(backbone.weights, encoder, head)
        return network

    def targets(
        self, inputs: dict[str, np.ndarray], labels: Any, random: np.random.Generator
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """The model inputs with tokens masked and where they are, and the tokens themselves.

        Returns:
            Inputs with `masked_positions` [batch, most] int32, 0 where a row has fewer; and labels likewise, -1 there.
        """
        inputs = dict(inputs)
        token_ids = inputs["token_ids"]
        chosen = choose(inputs.pop(WORDS), self.mask_share, random)
        order = np.argsort(~chosen, axis=1, kind="stable")[:, : max(1, chosen.sum(1).max())]
        there = np.take_along_axis(chosen, order, 1)
        masked = np.where(there, np.take_along_axis(token_ids, order, 1), NOT_MASKED)
        inputs["token_ids"] = self._replaced(token_ids, chosen, random)
        return {**inputs, POSITIONS: np.where(there, order, 0).astype(np.int32)}, masked.astype(np.int32)

    def _replaced(self, token_ids: np.ndarray, chosen: np.ndarray, random: np.random.Generator) -> np.ndarray:
        assert self.mask is not None
        count = int(chosen.sum())
        draw, others = random.random(count), random.integers(self.vocabulary, size=count, dtype=np.int32)
        kept = token_ids[chosen]
        seen = np.where(draw < _MASKED, self.mask.number, np.where(draw < _MASKED + _RANDOM, others, kept))
        replaced = token_ids.copy()
        replaced[chosen] = seen
        return replaced

    def loss(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Cross-entropy, averaged over the row's masked tokens, [batch]."""
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.maximum(labels, 0), logits)
        masked = tf.cast(labels >= 0, tf.float32)
        return tf.math.divide_no_nan(tf.reduce_sum(losses * masked, -1), tf.reduce_sum(masked, -1))

    def example_weights(self, labels: np.ndarray) -> np.ndarray:
        """The number of masked tokens of each row, so that all of a batch have the same weight."""
        return (labels >= 0).sum(-1).astype(np.float32)

    def metrics(self) -> list[keras.metrics.Metric]:
        """Share of masked tokens for which the most probable token is right."""
        accuracy = keras.metrics.MeanMetricWrapper(_found, name="masked_accuracy", dtype="float32")
        return [with_direction(accuracy, "up")]

    def truths(self, labels: tf.Tensor) -> tf.Tensor:
        """The masked tokens, [batch, most]."""
        return labels

    def predictions(self, logits: tf.Tensor) -> tf.Tensor:
        """Most probable token at each mask, [batch, most] int32: a probability for each would fill the memory."""
        return tf.argmax(logits, -1, output_type=tf.int32)

    def outputs(self, logits: tf.Tensor, features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Predictions for the masks of each text, in order; in a text without any, for the words masked to evaluate it.

        Returns:
            `token` string and `probability` float32, [batch, most masks of a text, 5], the likeliest first; `hidden`
            string and `loss` float32, [batch, most masks of a text]: the token that was masked there and its negative
            log-probability, "" and 0 at the text's own masks. Texts with fewer masks are filled up with "" and 0, also
            in `token`.
        """
        masked = features[MASKED_IDS]
        places = tf.where(masked >= 0)  # [masks, 2], text by text, since rows are in order
        text, count = tf.gather(features[TEXT_NUMBER], places[:, 0]), tf.size(features[TEXTS])
        # Some checkpoints have rows to spare, which are no tokens.
        scores = tf.nn.log_softmax(tf.gather_nd(logits, places))[:, : self.vocabulary]
        best = tf.math.top_k(scores, min(_GUESSES, self.vocabulary))  # [masks, 5]
        truth, pieces = tf.gather_nd(masked, places), features[PIECES]
        asked = truth == self.mask.number  # type: ignore[union-attr]
        values: Values = {
            "token": (tf.gather(pieces, best.indices), ""),
            "probability": (tf.exp(best.values), 0.0),
            "hidden": (tf.where(asked, "", tf.gather(pieces, truth)), ""),
            "loss": (tf.where(asked, 0.0, -tf.gather(scores, truth, batch_dims=1)), 0.0),
        }
        return by_text(values, text, count)

    def predicts_untuned(self, network: keras.Model) -> bool:
        """True if the head's weights came with the encoder."""
        head = VocabularyHead.of(network)
        return head is not None and head.pretrained

    def settings(self) -> dict[str, Any]:
        """Settings of the masking, the mask token and the size of the vocabulary."""
        assert self.mask is not None
        return {
            "kind": self.kind,
            "mask_share": self.mask_share,
            "whole_words": self.whole_words,
            "mask": list(self.mask),
            "vocabulary": self.vocabulary,
        }


def choose(words: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """Draws the tokens that are masked: whole words, until they are this share of the row's tokens, at least one.

    Args:
        words: [rows, length] int32, the number in its row of each token's word; 0 is never masked.

    Returns:
        [rows, length] bool.
    """
    keys = np.take_along_axis(random.random(words.shape), words, axis=1)  # one a word
    keys[words == 0] = 2.0  # behind all others
    wanted = np.maximum(np.rint(share * (words > 0).sum(1)).astype(int), 1)
    last = np.take_along_axis(np.sort(keys, axis=1), wanted[:, np.newaxis] - 1, axis=1)
    return (keys <= last) & (words > 0)


def _found(truths: tf.Tensor, predictions: tf.Tensor) -> tf.Tensor:
    """Whether each masked token was predicted, [masked tokens]."""
    return tf.cast(tf.boolean_mask(truths == predictions, truths >= 0), tf.float32)


def make(config: MaskedLMSettings, label_names: tuple[str, ...], labels: Any) -> MaskedLM:
    """Builds the task; it learns the vocabulary by `for_tokenizer`."""
    return MaskedLM(config.mask_share, config.whole_words, config.chinese_words)


def restore(settings: dict[str, Any]) -> MaskedLM:
    """Builds the task again from its `settings()`, for inference."""
    return MaskedLM(
        settings["mask_share"],
        settings["whole_words"],
        mask=Mask(*settings["mask"]),
        vocabulary=settings["vocabulary"],
    )
