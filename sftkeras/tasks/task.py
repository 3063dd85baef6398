"""The contract between a task and the rest: what training, evaluation and export may ask of it."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import keras
import numpy as np
import tensorflow as tf

from sftkeras.config import LabelKind


class Task(Protocol):
    """One kind of question to a text, learnt from labelled examples.

    A task knows nothing of devices, optimizers or files. Its `outputs`, with `sftkeras.text.TextFeatures` before it, is
    all that stands between raw strings and answers, in evaluation and in serving alike.
    """

    kind: ClassVar[str]
    label_kind: ClassVar[LabelKind]

    def head(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """Attaches the head to pooled features [batch, hidden] float32; gives logits [batch, …] float32."""

    def loss(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Gives each example's loss, [batch] float32."""

    def example_weights(self, labels: np.ndarray) -> np.ndarray:
        """Gives each example's weight in the loss, [batch] float32."""

    def metrics(self) -> list[keras.metrics.Metric]:
        """Gives fresh metrics to follow while training; `truths` and `answers` feed them."""

    def truths(self, labels: tf.Tensor) -> tf.Tensor:
        """Gives labels in the form the metrics take."""

    def answers(self, logits: tf.Tensor) -> tf.Tensor:
        """Gives probabilities [batch, classes] or values [batch]: what metrics and reports judge."""

    def outputs(self, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """Gives the named answers that a server returns; "probabilities" or "value" holds `answers`."""

    def settings(self) -> dict[str, Any]:
        """Everything but weights that is needed to build the task again, as plain JSON."""
