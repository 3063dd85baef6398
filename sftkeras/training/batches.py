"""Batch plans to `tf.data`: the model inputs of every row, and the arrays of each step, in the plan's order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from rich.progress import Progress

from sftkeras.data import BatchPlan, RawTexts, RowInputs, Texts, Variants, tokenise
from sftkeras.data.packing import pack_rows
from sftkeras.data.storage.joined import JoinedInputs, JoinedOutputs
from sftkeras.data.storage.teacher_outputs import TeacherOutputs, joined_rows
from sftkeras.tasks import Task
from sftkeras.text import Features
from sftkeras.text.features.raw_text import TEXT

_BATCHES_AHEAD = 4

Arrays = tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]
"""Model inputs, labels and weights of a batch."""


def read_inputs(examples: Texts, features: Features, progress: Progress | None = None) -> RowInputs:
    """The model inputs of every row: tokens from the cache, which are computed if it lacks them, or texts as they are.

    Raises:
        SFTError: as `sftkeras.data.tokenise`.
    """
    if features.gives_tokens:
        return tokenise(examples, features.encode_arrays, features.fingerprint, progress, windows=features.windows)
    return RawTexts(examples, TEXT, features.cleaning.clean if features.cleaning else None)


def read_variants(texts: Sequence[Texts], features: Features, progress: Progress | None = None) -> Variants:
    """The model inputs of every row, in several variants of its text; raises as `read_inputs`."""
    return Variants([read_inputs(variant, features, progress) for variant in texts])


class Batches:
    """The batches of one part of the data.

    Args:
        plan: which rows form which batch.
        inputs: the model inputs of every row.
        labels: the labels of every row.
        task: makes the labels of a batch, and its rows' weights.
        max_length: the most tokens an encoder input may have.
        row_weights: what the weight of every row is multiplied by, [n] float32; None is 1.
        given: what a teacher gave of the rows, for each variant of their texts; empty without one.
    """

    def __init__(
        self,
        plan: BatchPlan,
        inputs: RowInputs | Variants | JoinedInputs,
        labels: Any,
        task: Task,
        max_length: int,
        row_weights: np.ndarray | None = None,
        given: Sequence[TeacherOutputs | JoinedOutputs] = (),
    ) -> None:
        self.plan = plan
        self._inputs = inputs
        self._labels = labels
        self._task = task
        self._max_length = max_length
        self._row_weights = row_weights
        self._given = given

    @property
    def unit(self) -> str:
        """Unit of the rows' lengths, such as "tokens"."""
        return self._inputs.unit

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return self.plan.steps

    @property
    def examples(self) -> int:
        """Rows in an epoch."""
        return self.plan.examples

    def arrays(self, epoch: int, step: int) -> Arrays:
        """Model inputs, labels, and weights [batch] float32 that sum to one, or are zero where nothing has a label.

        Inputs are [batch, length] int32, or [batch] objects where the encoder reads texts.
        """
        rows, length = self.plan.batch(epoch, step)
        length = min(length, self._max_length)
        inputs = self._inputs.at(epoch).batch(rows, length)
        packs = self.plan.packs(epoch, step)
        if packs is not None:
            inputs = pack_rows(inputs, packs)
        random = np.random.default_rng([self.plan.seed, epoch, step, 1])  # 1: no other draw has four numbers
        inputs, labels = self._task.targets(inputs, self._labels[rows], random)
        if self._given:
            # Packed rows have those of the batch one after another.
            in_order = rows if packs is None else rows[np.argsort(packs, kind="stable")]
            inputs = {**inputs, **self._taught(epoch, in_order, inputs, labels)}
        weights = self._task.example_weights(labels)
        if self._row_weights is not None:  # of which a task may have made several each
            weights = weights * np.repeat(self._row_weights[rows], len(weights) // len(rows))
        total = weights.sum(dtype=np.float32)
        return inputs, labels, weights / (total or np.float32(1))

    def _taught(
        self, epoch: int, rows: np.ndarray, inputs: dict[str, np.ndarray], labels: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Outputs of a teacher for rows, in their order, as they stand beside their model inputs."""
        targets = self._task.soft_targets()
        assert targets is not None
        outputs = self._given[epoch % len(self._given)]
        given = joined_rows(outputs.of_rows(rows), targets.places(inputs, labels), targets.filling)
        # Of a row of the data, a task may have made several.
        return targets.as_inputs(given if len(given) == len(labels) else given.reshape(-1, *given.shape[2:]))

    def size(self, epoch: int, step: int) -> tuple[int, int]:
        """Rows of a batch, and their length together, in `unit`, padding left out."""
        rows, _ = self.plan.batch(epoch, step)
        return len(rows), int(self.plan.lengths(epoch)[rows].sum())

    def dataset(self, epochs: range, replicas: range = range(1), of: int = 1, first_step: int = 0) -> tf.data.Dataset:
        """All batches of these epochs, one after the other; of each, the parts of some replicas.

        A replica's part may have no rows. The weights of all parts of a batch together sum to one.

        Args:
            epochs: the epochs.
            replicas: whose parts are wanted, one after the other.
            of: how many replicas share each batch.
            first_step: the step to begin with in the first of the epochs.
        """

        def generate() -> Iterator[Any]:
            for epoch in epochs:
                for step in range(first_step if epoch == epochs[0] else 0, self.steps):
                    whole = self.arrays(epoch, step)  # made anew: TensorFlow may compute in their memory
                    for replica in replicas:
                        yield part_of(whole, replica, of)

        inputs, labels, _ = self.arrays(0, 0)
        signature = (
            {name: tf.TensorSpec([None] * array.ndim, array.dtype) for name, array in inputs.items()},
            tf.TensorSpec([None] * labels.ndim, labels.dtype),
            tf.TensorSpec([None], tf.float32),
        )
        batches = self.steps * len(epochs) - first_step
        dataset = tf.data.Dataset.from_generator(generate, output_signature=signature)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(batches * len(replicas)))
        return untuned(dataset.prefetch(_BATCHES_AHEAD * len(replicas)))

    def distributed(self, epochs: range, strategy: tf.distribute.Strategy, first_step: int = 0) -> Any:
        """As `dataset`, for `fit` under a strategy: each replica of each worker gets its part of each batch.

        Say to `fit` how many steps there are: the batches begin again at their end. TensorFlow would otherwise ask all
        workers at each step whether one of them still has data.
        """

        def of_worker(worker: tf.distribute.InputContext) -> tf.data.Dataset:
            replicas = worker.num_replicas_in_sync // worker.num_input_pipelines
            first = worker.input_pipeline_id * replicas
            replicas_here = range(first, first + replicas)
            return self.dataset(epochs, replicas_here, worker.num_replicas_in_sync, first_step).repeat()

        return strategy.distribute_datasets_from_function(of_worker)


def untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The dataset without TensorFlow's thread that tunes buffers and parallel calls, of which it leaves none open.

    That thread may sleep for up to a minute, and whoever frees an iterator before its end waits until it wakes.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def part_of(batch: Arrays, replica: int, of: int) -> Arrays:
    """A replica's rows of a batch that `of` replicas share: none, if there are more replicas than rows."""
    inputs, labels, weights = batch
    rows = slice(len(labels) * replica // of, len(labels) * (replica + 1) // of)
    return {name: array[rows] for name, array in inputs.items()}, labels[rows], weights[rows]
