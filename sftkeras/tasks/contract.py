"""The contract between a task and the rest: what training, evaluation and export may ask of it."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import keras
import numpy as np
import tensorflow as tf

from sftkeras.backbones import Backbone
from sftkeras.config import LabelKind, Pooling
from sftkeras.text import AnyTokenizer, Cleaning, Features


class Task(Protocol):
    """One kind of question to a text, learnt from labelled examples.

    A task that must know the vocabulary also has `for_tokenizer(tokenizer) -> Task`, which `make_task` calls.

    One that chooses how it answers once it has learned, such as a threshold, also has `to_be_tuned(labels) -> bool`,
    whether the labels of the validation part leave it a choice, and `tuned(answers, labels) -> Task`, which is given
    the named answers to that part as arrays.

    A task knows nothing of devices, optimizers or files. Its `outputs`, with the features before it, is all that stands
    between raw strings and answers, in evaluation and in serving alike.

    Attributes:
        kind: its name in the settings.
        label_kind: what a label of it is, in the data.
        whole_batch: whether a row's loss depends on the other rows of its batch. `loss` then always gets whole batches.
    """

    kind: ClassVar[str]
    label_kind: ClassVar[LabelKind]
    whole_batch: ClassVar[bool]

    def features(
        self, tokenizer: AnyTokenizer, *, max_length: int, pairs: bool, cleaning: Cleaning | None = None
    ) -> Features:
        """Gives what makes the encoder's inputs of raw texts, in training and in serving alike.

        Args:
            tokenizer: the backbone's; None if its encoder reads texts itself.
            max_length: tokens a row may have, special tokens included.
            pairs: whether each example has two texts.
            cleaning: what is done to the texts first, if anything.

        Raises:
            SFTError: the tokenizer cannot do what the task needs.
        """

    def network(self, backbone: Backbone, pooling: Pooling) -> keras.Model:
        """Attaches the head: a functional model from the features' model inputs to float32 logits [batch, …].

        Raises:
            SFTError: the encoder cannot do what the task needs, such as SFT610.
        """

    def targets(
        self, inputs: dict[str, np.ndarray], labels: Any, random: np.random.Generator
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Makes a batch's model inputs and labels, as the loss takes them, when the batch is put together.

        A row of the data may become several, as many of each, one after another.

        Args:
            inputs: what the token cache has of the rows: all that `encode_arrays` of the features gives.
            labels: what the data has of the rows, one item each.
            random: for what is drawn anew in each epoch; it is a function of (seed, epoch, step) alone.

        Returns:
            The model inputs, and labels [batch, …].
        """

    def loss(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Gives each row's loss, [batch] float32."""

    def example_weights(self, labels: np.ndarray) -> np.ndarray:
        """Gives each row's weight in the loss, [batch] float32; `labels` are those of `targets`."""

    def metrics(self) -> list[keras.metrics.Metric]:
        """Gives fresh metrics to follow while training; `truths` and `answers` feed them."""

    def truths(self, labels: tf.Tensor) -> tf.Tensor:
        """Gives labels in the form the metrics take."""

    def answers(self, logits: tf.Tensor) -> tf.Tensor:
        """Gives probabilities [batch, …, classes] or values [batch]: what the metrics judge."""

    def outputs(self, logits: tf.Tensor, features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Gives the named answers that a server returns, one row a text.

        Args:
            logits: of the rows of the model inputs.
            features: all that the features gave, such as where in a text the words of a row stand.
        """

    def settings(self) -> dict[str, Any]:
        """Everything but weights that is needed to build the task again, as plain JSON."""
