"""Similarity: a vector for each text; related texts have vectors that are near each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import keras
import numpy as np
import tensorflow as tf

from sftkeras.backbones import Backbone
from sftkeras.config import Pooling
from sftkeras.errors import SFTError
from sftkeras.tasks.contract import Task
from sftkeras.tasks.network import text_network
from sftkeras.tasks.published import PublishedTask
from sftkeras.tasks.similarity.features import BiEncoderFeatures, rows_of_texts
from sftkeras.tasks.similarity.pair_scores import InBatchAccuracy, PearsonCorrelation, all_cosines, cosines
from sftkeras.tasks.similarity.spec import SimilaritySettings
from sftkeras.tasks.soft_targets import SoftTargets, from_classes
from sftkeras.text import AnyTokenizer, Cleaning, Features, TextFeatures, make_features


class VectorTask(Task):
    """The features and the network of a task that gives each text of a pair a vector.

    The texts of a pair are rows of their own, and may be on two devices.
    """

    kind: ClassVar[str] = "similarity"
    whole_batch: ClassVar[bool] = True

    def features(
        self, tokenizer: AnyTokenizer, *, max_length: int, pairs: bool, cleaning: Cleaning | None = None
    ) -> Features:
        """Single texts, whose pairs the token cache keeps together; raises SFT610 for an encoder of raw texts."""
        single = make_features(tokenizer, max_length=max_length, pairs=False, cleaning=cleaning)
        if not isinstance(single, TextFeatures):
            reason = "this encoder reads texts itself, and pairs of them cannot be kept"
            raise SFTError("SFT610", kind=self.kind, reason=reason)
        return BiEncoderFeatures(single)

    def network(self, backbone: Backbone, pooling: Pooling) -> keras.Model:
        """Gives vectors [batch, hidden] of length one."""
        return text_network(backbone, pooling, _to_length_one, self.kind)

    def published(self) -> PublishedTask:
        """As a sentence encoder."""
        return PublishedTask(gives_vectors=True)


@dataclass(frozen=True)
class MatchingPairs(VectorTask):
    """Learns from pairs of related texts; the other texts of a batch are the negatives.

    Attributes:
        temperature: what cosines are divided by, above zero: the smaller, the more the nearest wrong texts count.
    """

    temperature: float = 0.05

    def targets(
        self, inputs: dict[str, np.ndarray], labels: Any, random: np.random.Generator
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Both texts of each pair, one after the other, [2 * pairs, length]; and a number for each text, [2 * pairs].

        Texts that are equal to the model have equal numbers.
        """
        rows = rows_of_texts(inputs)
        tokens = np.where(rows["padding_mask"], rows["token_ids"], -1)
        _, numbers = np.unique(tokens, axis=0, return_inverse=True)
        return rows, numbers.reshape(-1).astype(np.int32)

    def loss(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Cross-entropy of each text's partner among the other texts of the batch, [2 * pairs].

        The cross-entropy of multiple negatives ranking (Henderson et al., 2017, arXiv:1705.00652), from the first texts
        to the second ones and back. A partner in another pair is no wrong answer.
        """
        scores = all_cosines(labels, logits, self.temperature)
        to_second, to_first = (tf.linalg.diag_part(tf.nn.log_softmax(scores, axis)) for axis in (1, 0))
        return -tf.reshape(tf.stack([to_second, to_first], axis=1), [-1])

    def soft_targets(self) -> RankedVectors:
        """The teacher's cosines of the texts of a batch."""
        return RankedVectors(self)

    def example_weights(self, labels: np.ndarray) -> np.ndarray:
        """One for every text."""
        return np.ones(len(labels), np.float32)

    def metrics(self) -> list[keras.metrics.Metric]:
        """Share of texts that are nearest to their partner, within their batch."""
        return [InBatchAccuracy()]

    def truths(self, labels: tf.Tensor) -> tf.Tensor:
        """The numbers of the texts, [2 * pairs]."""
        return labels

    def predictions(self, logits: tf.Tensor) -> tf.Tensor:
        """The vectors, [2 * pairs, hidden]."""
        return logits

    def outputs(self, logits: tf.Tensor, features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """`vector` [batch, hidden] float32, of length one: the cosine of two is the sum of their products."""
        return {"vector": logits}

    def predicts_untuned(self, network: keras.Model) -> bool:
        """It can: there is no head."""
        return True

    def settings(self) -> dict[str, Any]:
        """By what it learned."""
        return {"kind": self.kind, "loss": "multiple_negatives"}


@dataclass(frozen=True)
class ScoredPairs(VectorTask):
    """Learns from pairs of texts with a number that says how near they are.

    Attributes:
        loss_name: "cosine": the cosine is to be the number. "contrastive": pairs with 1 are drawn together, and pairs
            with 0 apart.
        margin: distance (one minus the cosine) beyond which unrelated pairs add no loss ("contrastive").
        lowest: the number that stands for a cosine of 0.
        highest: the number that stands for a cosine of 1.
    """

    loss_name: Literal["cosine", "contrastive"] = "cosine"
    margin: float = 0.5
    lowest: float = 0.0
    highest: float = 1.0

    def targets(
        self, inputs: dict[str, np.ndarray], labels: Any, random: np.random.Generator
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Both texts of each pair, one after the other, [2 * pairs, length]; each with the pair's cosine to learn."""
        wanted = (np.asarray(labels, np.float64) - self.lowest) / (self.highest - self.lowest)
        return rows_of_texts(inputs), np.repeat(wanted, 2).astype(np.float32)

    def loss(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """The squared error of the cosine, or the contrastive loss (Hadsell et al., 2006) of its distance from one.

        [2 * pairs], alike for both texts of a pair.
        """
        wanted, found = labels[0::2], cosines(logits)
        if self.loss_name == "cosine":
            losses = tf.square(found - wanted)
        else:
            distance = 1 - found
            apart = tf.square(tf.maximum(self.margin - distance, 0.0))
            losses = (wanted * tf.square(distance) + (1 - wanted) * apart) / 2
        return tf.repeat(losses, 2)

    def soft_targets(self) -> ComparedVectors:
        """The teacher's cosine of each pair."""
        return ComparedVectors(self)

    def example_weights(self, labels: np.ndarray) -> np.ndarray:
        """One for every text."""
        return np.ones(len(labels), np.float32)

    def metrics(self) -> list[keras.metrics.Metric]:
        """The correlation of cosines and numbers."""
        return [PearsonCorrelation()]

    def truths(self, labels: tf.Tensor) -> tf.Tensor:
        """The cosine that each pair is to have, [pairs]."""
        return labels[0::2]

    def predictions(self, logits: tf.Tensor) -> tf.Tensor:
        """The cosine of each pair, [pairs]."""
        return cosines(logits)

    def outputs(self, logits: tf.Tensor, features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """`vector` [batch, hidden] float32, of length one: the cosine of two is the sum of their products."""
        return {"vector": logits}

    def predicts_untuned(self, network: keras.Model) -> bool:
        """It can: there is no head."""
        return True

    def continuing(self, earlier: Mapping[str, Any]) -> ScoredPairs:
        """With the numbers that stand for cosines of 0 and 1."""
        return replace(self, lowest=earlier["lowest"], highest=earlier["highest"])

    def settings(self) -> dict[str, Any]:
        """By what it learned, and which numbers cosines of 0 and 1 stand for."""
        return {"kind": self.kind, "loss": self.loss_name, "lowest": self.lowest, "highest": self.highest}


class RankedVectors(SoftTargets):
    """Soft targets that are vectors, [2 * pairs, hidden]: how near each text is to all others of its batch.

    A student's vectors may be of another size. Cosines are divided by the task's temperature, as in its loss.
    """

    exported = "vector"

    def __init__(self, task: MatchingPairs) -> None:
        super().__init__(task)
        self._temperature = task.temperature

    def of_exported(self, output: np.ndarray) -> np.ndarray:
        """Return them as they are."""
        return output

    def losses(self, labels: tf.Tensor, logits: tf.Tensor, given: tf.Tensor, temperature: float) -> tf.Tensor:
        """Return the divergence of each text's probabilities of partners, [2 * pairs]."""
        theirs, ours = (all_cosines(labels, vectors, self._temperature) for vectors in (given, logits))
        to_second, to_first = (from_classes(theirs, ours, 1.0, axis) for axis in (1, 0))
        return tf.reshape(tf.stack([to_second, to_first], axis=1), [-1])


class ComparedVectors(SoftTargets):
    """Soft targets that are vectors, [2 * pairs, hidden], of whose pairs the cosine counts alone."""

    exported = "vector"

    def of_exported(self, output: np.ndarray) -> np.ndarray:
        """Return them as they are."""
        return output

    def losses(self, labels: tf.Tensor, logits: tf.Tensor, given: tf.Tensor, temperature: float) -> tf.Tensor:
        """Return the squared difference of the cosines, [2 * pairs], alike for both texts of a pair."""
        return tf.repeat(tf.square(cosines(logits) - cosines(given)), 2)


def make(config: SimilaritySettings, label_names: tuple[str, ...], labels: Any) -> MatchingPairs | ScoredPairs:
    """Builds the task; `labels` are the numbers of the training pairs [pairs] float32, if they have any.

    Raises:
        SFTError: SFT445 if the contrastive loss is to learn numbers other than 0 and 1.
    """
    if config.loss == "multiple_negatives":
        return MatchingPairs(config.temperature)
    numbers = np.asarray(labels, np.float64)
    if config.loss == "contrastive":
        others = numbers[(numbers != 0) & (numbers != 1)]
        if len(others):
            raise SFTError("SFT445", found=f"{others[0]:g}")
    lowest, highest = _ends(numbers)
    return ScoredPairs(config.loss, config.margin, lowest, highest)


def restore(settings: dict[str, Any]) -> MatchingPairs | ScoredPairs:
    """Builds the task again from its `settings()`, for inference."""
    if settings["loss"] == "multiple_negatives":
        return MatchingPairs()
    return ScoredPairs(settings["loss"], lowest=settings["lowest"], highest=settings["highest"])


def _ends(numbers: np.ndarray) -> tuple[float, float]:
    """The numbers that stand for cosines of 0 and 1: numbers that could be cosines are meant as they are."""
    lowest, highest = float(numbers.min()), float(numbers.max())
    return (0.0, 1.0) if lowest >= -1 and highest <= 1 else (lowest, highest)


def _to_length_one(features: keras.KerasTensor) -> keras.KerasTensor:
    return keras.layers.UnitNormalization(dtype="float32", name="vector")(features)
