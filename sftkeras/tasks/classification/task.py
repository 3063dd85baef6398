"""Classification: one label a text, or with `multi_label` none, one or several."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from sftkeras.backbones import Backbone
from sftkeras.config import Pooling, other_writing
from sftkeras.errors import SFTError, did_you_mean
from sftkeras.internals.keras import build_metric
from sftkeras.tasks.classification.spec import ClassificationSettings
from sftkeras.tasks.contract import Task
from sftkeras.tasks.divergences import between_chances, between_classes
from sftkeras.tasks.head import dense_head
from sftkeras.tasks.network import text_network
from sftkeras.tasks.published import PublishedHead, PublishedTask
from sftkeras.tasks.soft_targets import Chances, SoftTargets

_SMALLEST_MISS = 1e-12  # what a probability lacks to 1, in the focal loss


class LabelTask(Task):
    """The network and the targets of a task that has one logit a label."""

    kind: ClassVar[str] = "classification"

    label_names: tuple[str, ...]
    dropout: float

    def network(self, backbone: Backbone, pooling: Pooling) -> keras.Model:
        """Gives logits [batch, classes]."""
        return text_network(backbone, pooling, self.head, self.kind)

    def head(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """Gives logits [batch, classes]."""
        return dense_head(features, len(self.label_names), self.dropout)

    def logit_names(self) -> tuple[str, ...]:
        """The labels."""
        return self.label_names

    def targets(
        self, inputs: dict[str, np.ndarray], labels: Any, random: np.random.Generator
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """The inputs and the labels as they are."""
        return inputs, np.asarray(labels)


@dataclass(frozen=True)
class Classification(LabelTask):
    """Gives each text the likeliest of its labels.

    Attributes:
        label_names: the labels; a label's position is its number.
        dropout: share of the features dropped before the head.
        label_smoothing: share of the target probability that is spread over all labels.
        class_weights: one number a label: its examples' weight in the loss.
        focal_gamma: how much less counts what is predicted well; 0 is cross-entropy.
    """

    label_names: tuple[str, ...]
    dropout: float = 0.1
    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] = ()
    focal_gamma: float = 0.0

    def loss(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Focal loss, or cross-entropy with label smoothing (Szegedy et al., 2016, arXiv:1512.00567), [batch]."""
        log_probabilities = tf.nn.log_softmax(logits)
        right = tf.gather(log_probabilities, labels, batch_dims=1)
        if self.focal_gamma:
            return _focal(-right, self.focal_gamma)
        spread = tf.reduce_mean(log_probabilities, -1)
        return -((1 - self.label_smoothing) * right + self.label_smoothing * spread)

    def divergence(self, labels: tf.Tensor, first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
        """Divergence of the labels' probabilities, [batch]."""
        return between_classes(first, second)

    def draw(self, labels: tf.Tensor, logits: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """A label each, [batch] int32."""
        return tf.random.stateless_categorical(logits, 1, seed, dtype=tf.int32)[:, 0]

    def soft_targets(self) -> SoftTargets:
        """Of labels that exclude each other."""
        return SoftTargets(self)

    def constant_logits(self, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """The logarithm of each class's share, [classes]."""
        return np.log(_shares(self.truths(tf.constant(labels)).numpy(), weights))

    def example_weights(self, labels: np.ndarray) -> np.ndarray:
        """The class weight of each label [batch] int32."""
        weights = np.asarray(self.class_weights or [1.0] * len(self.label_names), np.float32)
        return weights[labels]

    def metrics(self) -> list[keras.metrics.Metric]:
        """Accuracy and macro F1."""
        return [
            keras.metrics.CategoricalAccuracy(name="accuracy", dtype="float32"),
            _f1_score("macro", len(self.label_names)),
        ]

    def truths(self, labels: tf.Tensor) -> tf.Tensor:
        """Labels as [batch, classes] of zeros and one."""
        return tf.one_hot(labels, len(self.label_names))

    def predictions(self, logits: tf.Tensor) -> tf.Tensor:
        """Probabilities [batch, classes]."""
        return tf.nn.softmax(logits)

    def outputs(self, logits: tf.Tensor, features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """`label` and its `probability` [batch]; `probabilities` and `classes` [batch, classes], in label order."""
        probabilities = self.predictions(logits)
        return {
            "label": tf.gather(tf.constant(self.label_names), tf.argmax(probabilities, -1)),
            "probability": tf.reduce_max(probabilities, -1),
            "probabilities": probabilities,
            "classes": _repeat(self.label_names, probabilities),
        }

    def published(self) -> PublishedTask:
        """As a text's class."""
        return PublishedTask(PublishedHead("SequenceClassification", self.label_names, "single_label_classification"))

    def settings(self) -> dict[str, Any]:
        """The label names."""
        return {"kind": self.kind, "multi_label": False, "label_names": list(self.label_names)}


@dataclass(frozen=True)
class MultiLabelClassification(LabelTask):
    """Gives each text every label whose probability reaches the threshold.

    Attributes are those of `Classification`, and `threshold`, the probability from which a label is given.
    """

    label_names: tuple[str, ...]
    threshold: float = 0.5
    dropout: float = 0.1
    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] = ()
    focal_gamma: float = 0.0

    def loss(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Binary cross-entropy or focal loss, weighted by class and averaged over the labels, [batch]."""
        targets = tf.cast(labels, tf.float32) * (1 - self.label_smoothing) + self.label_smoothing / 2
        losses = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
        if self.focal_gamma:
            losses = _focal(losses, self.focal_gamma)
        if self.class_weights:
            losses *= tf.constant(self.class_weights) / np.mean(self.class_weights)
        return tf.reduce_mean(losses, -1)

    def divergence(self, labels: tf.Tensor, first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
        """Divergence of each label's own probability, averaged over the labels, [batch]."""
        return tf.reduce_mean(between_chances(first, second), -1)

    def draw(self, labels: tf.Tensor, logits: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Labels by their own probabilities, [batch, classes] of 0 and 1."""
        chances = tf.sigmoid(logits)
        return tf.cast(tf.random.stateless_uniform(tf.shape(chances), seed) < chances, labels.dtype)

    def soft_targets(self) -> Chances:
        """Of labels that a text has or not."""
        return Chances(self)

    def constant_logits(self, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """The log odds of each label, [classes]."""
        shares = _shares(self.truths(tf.constant(labels)).numpy(), weights)
        return np.log(shares / (1 - shares))

    def example_weights(self, labels: np.ndarray) -> np.ndarray:
        """One for every example: class weights stand in the loss, label by label."""
        return np.ones(len(labels), np.float32)

    def metrics(self) -> list[keras.metrics.Metric]:
        """Macro and micro F1 at the threshold."""
        return [_f1_score(average, len(self.label_names), self.threshold) for average in ("macro", "micro")]

    def truths(self, labels: tf.Tensor) -> tf.Tensor:
        """Labels as [batch, classes] float32 of zeros and ones."""
        return tf.cast(labels, tf.float32)

    def predictions(self, logits: tf.Tensor) -> tf.Tensor:
        """Each label's own probability, [batch, classes]."""
        return tf.nn.sigmoid(logits)

    def outputs(self, logits: tf.Tensor, features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """`selected` (bool), `probabilities` and `classes`, each [batch, classes], in label order."""
        probabilities = self.predictions(logits)
        return {
            "selected": probabilities >= self.threshold,
            "probabilities": probabilities,
            "classes": _repeat(self.label_names, probabilities),
        }

    def published(self) -> PublishedTask:
        """As a text's classes; transformers has no threshold."""
        return PublishedTask(PublishedHead("SequenceClassification", self.label_names, "multi_label_classification"))

    def settings(self) -> dict[str, Any]:
        """The label names and the threshold."""
        return {
            "kind": self.kind,
            "multi_label": True,
            "label_names": list(self.label_names),
            "threshold": self.threshold,
        }


def _shares(truths: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the share of each class, [classes], neither 0 nor 1."""
    return np.clip(weights @ truths, 1e-6, 1 - 1e-6)


def make(
    config: ClassificationSettings, label_names: tuple[str, ...], labels: np.ndarray
) -> Classification | MultiLabelClassification:
    """Builds the task for these labels.

    Args:
        config: the task's settings.
        label_names: the labels found in the data.
        labels: of the training examples, int32 [examples] or uint8 [examples, classes].

    Raises:
        SFTError: SFT411 if `class_weights` leaves a label out, names one that is not there, or is not above zero.
    """
    counts = labels.sum(0) if config.multi_label else np.bincount(labels, minlength=len(label_names))
    shared = {
        "dropout": config.dropout,
        "label_smoothing": config.label_smoothing,
        "class_weights": _class_weights(config.class_weights, label_names, counts, config.effective_beta),
        "focal_gamma": config.focal_gamma,
    }
    if config.multi_label:
        return MultiLabelClassification(label_names, threshold=config.threshold, **shared)
    return Classification(label_names, **shared)


def restore(settings: dict[str, Any]) -> Classification | MultiLabelClassification:
    """Builds the task again from its `settings()`, for inference."""
    names = tuple(settings["label_names"])
    if settings["multi_label"]:
        return MultiLabelClassification(names, threshold=settings["threshold"])
    return Classification(names)


def _class_weights(
    wanted: Mapping[str, float] | str | None, names: tuple[str, ...], counts: np.ndarray, beta: float
) -> tuple[float, ...]:
    if wanted is None:
        return ()
    if isinstance(wanted, str):
        weights = np.ones(len(names))  # of a label without examples, such as one that an earlier run knows
        weights[counts > 0] = _by_frequency(wanted, counts[counts > 0], beta)
        return tuple(weights.tolist())
    wanted = {_label_of(name, names): weight for name, weight in wanted.items()}
    missing = [name for name in names if name not in wanted]
    if missing:
        raise SFTError("SFT411", problem=f"no weight for {', '.join(missing)}", suggestion="")
    # A batch of weight zero would have no gradient to speak of: its weights are divided by their sum.
    if wrong := [name for name in names if not (0 < wanted[name] < math.inf)]:
        problem = f"the weight of {wrong[0]}, {wanted[wrong[0]]}, is not above zero"
        raise SFTError("SFT411", problem=problem, suggestion="")
    return tuple(float(wanted[name]) for name in names)


def _by_frequency(wanted: str, counts: np.ndarray, beta: float) -> np.ndarray:
    """The weight of each label, which has some examples."""
    if wanted == "balanced":
        return counts.sum() / (len(counts) * counts)
    # By the effective number of examples (Cui et al., 2019, arXiv:1901.05555).
    weights = (1 - beta) / (1 - np.power(beta, counts, dtype=np.float64))
    return weights / weights.mean()


def _label_of(name: str, names: tuple[str, ...]) -> str:
    """The label that a weight is for: data may have 1.0 where the settings have 1."""
    for writing in (name, other_writing(name)):
        if writing in names:
            return writing
    listed = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
    problem = f"there is no label {name} among {listed}"
    raise SFTError("SFT411", problem=problem, suggestion=did_you_mean(name, names))


def _focal(losses: tf.Tensor, gamma: float) -> tf.Tensor:
    """The focal loss (Lin et al., 2017, arXiv:1708.02002) of what has these cross-entropies: (1 - p)^gamma times them.

    Its alpha is the class weights. The bound keeps the gradient finite where p is 1 and gamma below 1.
    """
    return tf.pow(tf.maximum(-tf.math.expm1(-losses), _SMALLEST_MISS), gamma) * losses


def _repeat(names: tuple[str, ...], probabilities: tf.Tensor) -> tf.Tensor:
    return tf.tile(tf.constant([names]), [tf.shape(probabilities)[0], 1])


def _f1_score(average: str, classes: int, threshold: float | None = None) -> keras.metrics.F1Score:
    """An F1 score whose variables exist already: under a strategy, a metric cannot make them while a step is traced."""
    metric = keras.metrics.F1Score(average=average, threshold=threshold, name=f"{average}_f1", dtype="float32")
    build_metric(metric, (None, classes))
    return metric
