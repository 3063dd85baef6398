"""Batch plans to `tf.data`: the model inputs of every row, and the arrays of each step, in the plan's order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from rich.progress import Progress

from sftkeras.data import BatchPlan, Examples, RawTexts, RowInputs, tokenise
from sftkeras.tasks import Task
from sftkeras.text import Features, TextFeatures
from sftkeras.text.raw_text import TEXT

_BATCHES_AHEAD = 4


def read_inputs(examples: Examples, features: Features, progress: Progress | None = None) -> RowInputs:
    """The model inputs of every row: tokens from the cache, which are computed if it lacks them, or texts as they are.

    Raises:
        SFTError: as `sftkeras.data.tokenise`.
    """
    if isinstance(features, TextFeatures):
        return tokenise(examples, features.encode_arrays, features.fingerprint, progress)
    return RawTexts(examples, TEXT)


class Batches:
    """The batches of one part of the data.

    Args:
        plan: which rows form which batch.
        inputs: the model inputs of every row.
        labels: the labels of every row.
        task: gives the examples' weights.
        max_length: the most tokens an encoder input may have.
    """

    def __init__(self, plan: BatchPlan, inputs: RowInputs, labels: np.ndarray, task: Task, max_length: int) -> None:
        self.plan = plan
        self._inputs = inputs
        self._labels = labels
        self._task = task
        self._max_length = max_length

    @property
    def unit(self) -> str:
        """What the rows' lengths count, such as "tokens"."""
        return self._inputs.unit

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return self.plan.steps

    @property
    def examples(self) -> int:
        """Rows in an epoch."""
        return self.plan.examples

    def arrays(self, epoch: int, step: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """Model inputs, labels, and weights [batch] float32 that sum to one.

        Inputs are [batch, length] int32, or [batch] objects where the encoder reads texts.
        """
        rows, length = self.plan.batch(epoch, step)
        labels = np.asarray(self._labels[rows])
        weights = self._task.example_weights(labels)
        inputs = self._inputs.batch(rows, min(length, self._max_length))
        return inputs, labels, weights / weights.sum(dtype=np.float32)

    def size(self, epoch: int, step: int) -> tuple[int, int]:
        """Rows of a batch, and their length together, in `unit`, padding left out."""
        rows, _ = self.plan.batch(epoch, step)
        return len(rows), int(self._inputs.lengths[rows].sum())

    def dataset(self, epochs: range) -> tf.data.Dataset:
        """All batches of these epochs, one after the other."""

        def generate() -> Iterator[Any]:
            for epoch in epochs:
                for step in range(self.steps):
                    yield self.arrays(epoch, step)

        inputs, labels, _ = self.arrays(0, 0)
        signature = (
            {name: tf.TensorSpec([None] * array.ndim, array.dtype) for name, array in inputs.items()},
            tf.TensorSpec([None, *labels.shape[1:]], labels.dtype),
            tf.TensorSpec([None], tf.float32),
        )
        dataset = tf.data.Dataset.from_generator(generate, output_signature=signature)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(self.steps * len(epochs)))
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        return dataset.with_options(options).prefetch(_BATCHES_AHEAD)
