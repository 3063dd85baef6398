"""Extractive question answering: the part of a context that answers a question, or that there is none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from sftkeras.backbones import Backbone
from sftkeras.config import Pooling
from sftkeras.tasks.contract import Task
from sftkeras.tasks.divergences import between_classes
from sftkeras.tasks.head import dense_head
from sftkeras.tasks.network import token_vectors
from sftkeras.tasks.published import PublishedHead, PublishedTask
from sftkeras.tasks.soft_targets import SoftTargets, from_classes
from sftkeras.tasks.span_qa.features import ENDS, STARTS, question_features
from sftkeras.tasks.span_qa.places import NEVER, NowhereInPadding, SpanF1, best_rows, best_spans
from sftkeras.tasks.span_qa.spec import SpanQASettings
from sftkeras.text import AnyTokenizer, Cleaning, Features
from sftkeras.text.features.window_features import TEXT_NUMBER, TEXTS


@dataclass(frozen=True)
class SpanQA(Task):
    """Rates each token of a context as the first and as the last of the answer, as BERT does (Devlin et al., 2019).

    The first token of a row stands for "not here": that is what a window without the answer, and a question without
    one, learns.

    Attributes:
        max_answer_length: tokens that an answer may have.
        no_answer_threshold: probability of "no answer" above which none is given; None always gives one.
        dropout: share of the features dropped before the head.
    """

    max_answer_length: int = 30
    no_answer_threshold: float | None = None
    dropout: float = 0.1

    kind: ClassVar[str] = "span_qa"

    def features(
        self, tokenizer: AnyTokenizer, *, max_length: int, pairs: bool, cleaning: Cleaning | None = None
    ) -> Features:
        """Questions with their contexts, long ones as several windows, with the places of their tokens."""
        return question_features(tokenizer, max_length=max_length, cleaning=cleaning)

    def network(self, backbone: Backbone, pooling: Pooling) -> keras.Model:
        """Gives logits [rows, length, 2]; raises SFT610 if the encoder says nothing of tokens."""
        logits = self.head(token_vectors(backbone, self.kind))
        inputs = backbone.model.input
        return keras.Model(inputs, NowhereInPadding(name="places")(logits, inputs["padding_mask"]), name=self.kind)

    def head(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """Rates the token vectors [rows, length, hidden] as first and as last tokens, [rows, length, 2]."""
        return dense_head(features, 2, self.dropout)

    def targets(
        self, inputs: dict[str, np.ndarray], labels: Any, random: np.random.Generator
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """The model inputs, and the places of the answer's first and last token, [rows, 2] int32.

        Of several answers the first is learned. Where a window has none, or not the whole of it, both are 0.
        """
        inputs = dict(inputs)
        starts, ends = inputs.pop(STARTS), inputs.pop(ENDS)
        places = np.zeros((len(starts), 2), np.int32)
        for row, answers in enumerate(labels):
            if len(answers):
                places[row] = _places(starts[row], ends[row], *answers[0, :2].tolist())
        return inputs, places

    def loss(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Cross-entropy of the first and of the last token, averaged, [rows]."""
        by_end = tf.transpose(logits, [0, 2, 1])  # [rows, 2, length]
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, by_end), -1)

    def divergence(self, labels: tf.Tensor, first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
        """Divergence of the places' probabilities, averaged over first and last token, [rows]."""
        return tf.reduce_mean(between_classes(first, second, 1), -1)

    def draw(self, labels: tf.Tensor, logits: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """A first and a last token for each row, [batch, 2] int32."""
        by_end = tf.reshape(tf.transpose(logits, [0, 2, 1]), [-1, tf.shape(logits)[1]])  # [2 * batch, length]
        return tf.reshape(tf.random.stateless_categorical(by_end, 1, seed, dtype=tf.int32), [-1, 2])

    def soft_targets(self) -> PlaceLogits:
        """Of the places of the first and the last token."""
        return PlaceLogits(self)

    def example_weights(self, labels: np.ndarray) -> np.ndarray:
        """One for every window."""
        return np.ones(len(labels), np.float32)

    def metrics(self) -> list[keras.metrics.Metric]:
        """F1 of the tokens in the true and the answered span."""
        return [SpanF1(self.max_answer_length)]

    def truths(self, labels: tf.Tensor) -> tf.Tensor:
        """The places, [rows, 2]."""
        return labels

    def predictions(self, logits: tf.Tensor) -> tf.Tensor:
        """The probability of each place as first and as last token, [rows, length, 2]."""
        return tf.nn.softmax(logits, axis=1)

    def outputs(self, logits: tf.Tensor, features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The best legal span over all windows of each context, [batch] each.

        Returns:
            `answer` string, the characters themselves; `start` and `end` int32, which count characters (code points) of
            the context, the end exclusive; `score` float32, the probability of this answer among all legal ones and
            none; `no_answer` float32, the probability that there is none. Where that is above the threshold, `answer`
            is "", both places are -1, and `score` is `no_answer`.
        """
        starts, ends, contexts = features[STARTS], features[ENDS], features[TEXTS]
        spans = best_spans(logits, ends > starts, self.max_answer_length)
        chosen = best_rows(spans.rating, features[TEXT_NUMBER])  # [batch], the window of each context's answer
        first, last, rating, total = (tf.gather(values, chosen) for values in spans)
        start = tf.gather_nd(starts, tf.stack([chosen, first], 1))
        end = tf.gather_nd(ends, tf.stack([chosen, last], 1))
        no_answer = tf.sigmoid(-total)
        threshold = 1.0 if self.no_answer_threshold is None else self.no_answer_threshold
        nothing = (no_answer > threshold) | (end <= start)
        characters = tf.strings.substr(
            contexts, tf.where(nothing, 0, start), tf.where(nothing, 0, end - start), "UTF8_CHAR"
        )
        return {
            "answer": characters,
            "score": tf.where(nothing, no_answer, tf.exp(rating - tf.nn.softplus(total))),
            "start": tf.where(nothing, -1, start),
            "end": tf.where(nothing, -1, end),
            "no_answer": no_answer,
        }

    def needs_thresholds(self, labels: Any) -> bool:
        """Whether the threshold is open, and some question has no answer by which it could be chosen."""
        return self.no_answer_threshold is None and not all(len(answers) for answers in labels)

    def with_thresholds(self, predictions: dict[str, np.ndarray], labels: Any) -> SpanQA:
        """The task with the threshold that is best for these questions: by the F1 of characters, averaged.

        Args:
            predictions: those of this task without a threshold.
            labels: the true spans of each question, [answers, 3].
        """
        places = zip(predictions["start"].tolist(), predictions["end"].tolist(), labels, strict=True)
        gains = [_shared_characters(start, end, true) for start, end, true in places]
        return replace(self, no_answer_threshold=best_threshold(predictions["no_answer"], np.array(gains)))

    def published(self) -> PublishedTask:
        """As the first and the last token of an answer."""
        return PublishedTask(PublishedHead("QuestionAnswering"))

    def settings(self) -> dict[str, Any]:
        """Longest answer allowed, and the threshold below which none is given."""
        return {
            "kind": self.kind,
            "max_answer_length": self.max_answer_length,
            "no_answer_threshold": self.no_answer_threshold,
        }


class PlaceLogits(SoftTargets):
    """Soft targets that are the logits of each token as the first and as the last one, [rows, length, 2]."""

    exported = None
    by_token = True
    filling = NEVER

    def losses(self, labels: tf.Tensor, logits: tf.Tensor, given: tf.Tensor, temperature: float) -> tf.Tensor:
        """Return the divergence of the places' probabilities, averaged over first and last token."""
        return tf.reduce_mean(from_classes(given, logits, temperature, axis=1), -1)


def _places(starts: np.ndarray, ends: np.ndarray, start: int, end: int) -> tuple[int, int]:
    """The first and the last token of a window [length] that share a character with an answer; 0 and 0 if the window
    may not have the whole of it."""
    stands = ends > starts
    context, here = np.flatnonzero(stands), np.flatnonzero(stands & (starts < end) & (ends > start))
    if not len(here):
        return 0, 0
    first, last = int(here[0]), int(here[-1])
    # A token between the answer and the window's end shows that nothing of the answer is beyond it.
    begins_here = starts[first] <= start or first > context[0]
    ends_here = ends[last] >= end or last < context[-1]
    return (first, last) if begins_here and ends_here else (0, 0)


def _shared_characters(start: int, end: int, true: np.ndarray) -> float:
    """Gain of answering with this span over answering nothing: F1 to the nearest true span, or -1."""
    if not len(true):
        return -1.0
    shared = np.maximum(np.minimum(end, true[:, 1]) - np.maximum(start, true[:, 0]), 0)
    return float((2 * shared / (end - start + true[:, 1] - true[:, 0])).max())


def best_threshold(no_answer: np.ndarray, gains: np.ndarray) -> float:
    """The probability of "no answer" up to which answering gains most in sum; the highest of several as good.

    Args:
        no_answer: [questions] probabilities.
        gains: [questions], what an answer gains over none.
    """
    order = np.argsort(no_answer, kind="stable")
    ordered = no_answer[order].astype(np.float64)
    sums = np.concatenate([[0.0], np.cumsum(gains[order])])
    # Between two equal probabilities there is no threshold.
    apart = np.concatenate([[True], ordered[1:] > ordered[:-1], [True]])
    count = len(gains) - int(np.where(apart, sums, -np.inf)[::-1].argmax())  # how many are answered
    if count == len(gains):
        return 1.0
    below = ordered[count - 1] if count else 0.0
    return float((below + ordered[count]) / 2) or float(np.finfo(np.float32).tiny)


def make(config: SpanQASettings, label_names: tuple[str, ...], labels: Any) -> SpanQA:
    """Builds the task from its settings."""
    return SpanQA(config.max_answer_length, config.no_answer_threshold, config.dropout)


def restore(settings: dict[str, Any]) -> SpanQA:
    """Builds the task again from its `settings()`, for inference."""
    return SpanQA(settings["max_answer_length"], settings["no_answer_threshold"])
