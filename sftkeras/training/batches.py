"""Batch plans to `tf.data`: the arrays of each step, in the plan's order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from sftkeras.data.batches import BatchPlan
from sftkeras.data.tokens import TokenCache
from sftkeras.tasks import Task

_BATCHES_AHEAD = 4


class Batches:
    """The batches of one part of the data.

    Args:
        plan: which rows form which batch.
        tokens: the features of every row.
        labels: the labels of every row.
        task: gives the examples' weights.
        max_length: the most tokens an encoder input may have.
    """

    def __init__(self, plan: BatchPlan, tokens: TokenCache, labels: np.ndarray, task: Task, max_length: int) -> None:
        self.plan = plan
        self._tokens = tokens
        self._labels = labels
        self._task = task
        self._max_length = max_length

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return self.plan.steps

    @property
    def examples(self) -> int:
        """Rows in an epoch."""
        return self.plan.examples

    def arrays(self, epoch: int, step: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """Model inputs [batch, length] int32, labels, and weights [batch] float32 that sum to one."""
        rows, length = self.plan.batch(epoch, step)
        labels = np.asarray(self._labels[rows])
        weights = self._task.example_weights(labels)
        inputs = self._tokens.batch(rows, min(length, self._max_length))
        return inputs, labels, weights / weights.sum(dtype=np.float32)

    def size(self, epoch: int, step: int) -> tuple[int, int]:
        """Rows and tokens of a batch, padding left out."""
        rows, _ = self.plan.batch(epoch, step)
        return len(rows), int(self._tokens.lengths[rows].sum())

    def dataset(self, epochs: range) -> tf.data.Dataset:
        """All batches of these epochs, one after the other."""

        def generate() -> Iterator[Any]:
            for epoch in epochs:
                for step in range(self.steps):
                    yield self.arrays(epoch, step)

        inputs, labels, _ = self.arrays(0, 0)
        signature = (
            {name: tf.TensorSpec([None, None], array.dtype) for name, array in inputs.items()},
            tf.TensorSpec([None, *labels.shape[1:]], labels.dtype),
            tf.TensorSpec([None], tf.float32),
        )
        dataset = tf.data.Dataset.from_generator(generate, output_signature=signature)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(self.steps * len(epochs)))
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        return dataset.with_options(options).prefetch(_BATCHES_AHEAD)
