"""Regression: one number a text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from sftkeras.backbones import Backbone
from sftkeras.config import Pooling
from sftkeras.internals.keras import with_direction
from sftkeras.tasks.contract import Task
from sftkeras.tasks.head import dense_head
from sftkeras.tasks.network import text_network
from sftkeras.tasks.published import PublishedHead, PublishedTask
from sftkeras.tasks.regression.spec import RegressionSettings
from sftkeras.tasks.soft_targets import Values


@dataclass(frozen=True)
class Regression(Task):
    """Gives each text a number.

    The head learns standardised targets, so that one learning rate suits any unit. Predictions are in the data's own.

    Attributes:
        mean: of the training targets.
        deviation: standard deviation of the training targets, above zero.
        dropout: share of the features dropped before the head.
    """

    mean: float
    deviation: float
    dropout: float = 0.1

    kind: ClassVar[str] = "regression"

    def network(self, backbone: Backbone, pooling: Pooling) -> keras.Model:
        """Gives logits [batch, 1]."""
        return text_network(backbone, pooling, self.head, self.kind)

    def head(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """Gives the standardised number, [batch, 1]."""
        return dense_head(features, 1, self.dropout)

    def targets(
        self, inputs: dict[str, np.ndarray], labels: Any, random: np.random.Generator
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """The inputs and the labels as they are."""
        return inputs, np.asarray(labels)

    def loss(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Squared error of the standardised number, [batch]."""
        return tf.square(tf.squeeze(logits, -1) - (labels - self.mean) / self.deviation)

    def divergence(self, labels: tf.Tensor, first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
        """Squared distance of the standardised numbers, [batch]."""
        return tf.square(tf.squeeze(first - second, -1))

    def draw(self, labels: tf.Tensor, logits: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Numbers around the predicted ones, [batch], by the normal distribution whose log-likelihood the loss is."""
        around = tf.random.stateless_normal(tf.shape(labels), seed, stddev=2**-0.5)
        return self.predictions(logits) + self.deviation * around

    def soft_targets(self) -> Values:
        """The teacher's numbers."""
        return Values(self)

    def constant_logits(self, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """The mean, which is 0 once standardised, [1]."""
        return np.zeros(1)

    def example_weights(self, labels: np.ndarray) -> np.ndarray:
        """One for every example."""
        return np.ones(len(labels), np.float32)

    def metrics(self) -> list[keras.metrics.Metric]:
        """Mean absolute error and root mean squared error, in the data's unit."""
        # Keras' own mean absolute error takes a batch of numbers for one example: a short batch would count as much.
        absolute_error = keras.metrics.MeanMetricWrapper(_absolute_errors, name="mae", dtype="float32")
        return [
            with_direction(absolute_error, "down"),
            keras.metrics.RootMeanSquaredError(name="rmse", dtype="float32"),
        ]

    def truths(self, labels: tf.Tensor) -> tf.Tensor:
        """The numbers, [batch]."""
        return labels

    def predictions(self, logits: tf.Tensor) -> tf.Tensor:
        """The numbers in the data's unit, [batch]."""
        return tf.squeeze(logits, -1) * self.deviation + self.mean

    def outputs(self, logits: tf.Tensor, features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """`value` [batch]."""
        return {"value": self.predictions(logits)}

    def continuing(self, earlier: Mapping[str, Any]) -> Regression:
        """In the unit that the head has learned."""
        return replace(self, mean=earlier["mean"], deviation=earlier["deviation"])

    def published(self) -> PublishedTask:
        """As the one output of a classifier, in the data's unit."""
        head = PublishedHead("SequenceClassification", ("value",), "regression", self.deviation, self.mean)
        return PublishedTask(head)

    def settings(self) -> dict[str, Any]:
        """The unit."""
        return {"kind": self.kind, "mean": self.mean, "deviation": self.deviation}


def _absolute_errors(truths: tf.Tensor, predictions: tf.Tensor) -> tf.Tensor:
    return tf.abs(truths - predictions)


def make(config: RegressionSettings, label_names: tuple[str, ...], labels: np.ndarray) -> Regression:
    """Builds the task for these training targets [examples] float32."""
    targets = np.asarray(labels, np.float64)  # float32 loses the deviation of large numbers, such as years in seconds
    return Regression(float(np.mean(targets)), float(np.std(targets)) or 1.0, config.dropout)


def restore(settings: dict[str, Any]) -> Regression:
    """Builds the task again from its `settings()`, for inference."""
    return Regression(settings["mean"], settings["deviation"])
