"""Fisher information of weights: how much each matters to what an earlier run has learned; computed once, and cached.

The diagonal of the true Fisher information: the mean over rows of the squared gradient of a label's log-likelihood,
where the label is drawn from the model's own predictions for the row. The empirical one, of the labels in the data,
vanishes where the model is right, and is no good approximation of it (Kunstner et al., 2019, arXiv:1905.12558); van de
Ven, 2025 (arXiv:2502.11756), compares both for elastic weight consolidation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from sftkeras import runtime
from sftkeras.config import TrainConfig, plain
from sftkeras.console import progress_bar
from sftkeras.data import BatchPlan
from sftkeras.data.storage.cached import find_or_make
from sftkeras.data.storage.joined import LearnedRows, joined
from sftkeras.data.storage.progress import RowCount
from sftkeras.disk.cache import VARIABLE, cache_folder
from sftkeras.disk.files import sha256_of, write_errors
from sftkeras.errors import SFTError
from sftkeras.objectives.consolidation import Consolidation
from sftkeras.tasks import Task, restore_task
from sftkeras.tasks.head import places_of
from sftkeras.training.warm_start import WarmStart

FORMAT = 1  # of the cache; raise it when what is written changes
_ROWS_AT_ONCE = 32


class FisherRows:
    """Rows of earlier runs that Fisher information is computed of: some, drawn from the seed.

    Args:
        parts: the training rows of each run.
        rows: how many are drawn at most.
        seed: of the run.

    Raises:
        SFTError: SFT467 if there are none.
    """

    def __init__(self, parts: Sequence[LearnedRows], rows: int, seed: int) -> None:
        if not sum(len(part.rows) for part in parts):
            raise SFTError("SFT467")
        learned, later = joined(parts)
        pool = np.concatenate([learned.rows, later])
        drawn = np.random.default_rng([seed, 2**32]).choice(pool, min(rows, len(pool)), replace=False)
        self.learned, self.rows, self.seed = learned, np.sort(drawn).astype(np.int32), seed

    def batches(self, task: Task, max_length: int) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]]:
        """Yield the numbers, the model inputs and the labels of rows of like lengths.

        Args:
            task: makes the labels.
            max_length: tokens that a row may have.
        """
        lengths, multiple = self.learned.inputs.lengths, runtime.length_multiple()
        plan = BatchPlan(lengths, self.rows, _ROWS_AT_ONCE, 0, shuffle=False, multiple=multiple)
        for step in range(plan.steps):
            rows, length = plan.batch(0, step)
            inputs: Any = self.learned.inputs.at(0)
            found, labels = task.targets(
                inputs.batch(rows, min(length, max_length)), self.learned.labels[rows], np.random.default_rng(0)
            )
            yield rows, found, labels


def find_fisher_information(
    network: keras.Model,
    task: Task,
    earlier: Task,
    rows: FisherRows,
    max_length: int,
    strategy: tf.distribute.Strategy,
    key: Mapping[str, Any],
) -> list[np.ndarray]:
    """Return the information of each trainable variable of a network, as it is; it is computed if the cache lacks it.

    Args:
        network: with the weights of an earlier run.
        task: that it learns now.
        earlier: that it has learned, which may know fewer labels.
        rows: of the earlier run.
        max_length: tokens that a row may have.
        strategy: the devices, each of which computes the same.
        key: says all that decides weights and rows.
    """
    variables = network.trainable_variables
    about = [FORMAT, key, rows.rows.tolist(), rows.seed, [[each.path, list(each.shape)] for each in variables]]
    entry = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]
    folder = cache_folder("fisher") / entry

    def write(unfinished: Path) -> dict[str, Any]:
        found = _information(network, task, earlier, rows, max_length, strategy)
        with write_errors(unfinished, VARIABLE):
            for number, values in enumerate(found):
                np.save(unfinished / f"{number}.npy", values)
        return {}

    find_or_make(folder, write)
    return [np.load(folder / f"{number}.npy") for number in range(len(variables))]


def consolidation(
    config: TrainConfig,
    start: WarmStart,
    network: keras.Model,
    task: Task,
    rows: FisherRows,
    strategy: tf.distribute.Strategy,
    fingerprints: Sequence[str],
) -> Consolidation:
    """Return the penalty on leaving the weights that a run begins with.

    Args:
        config: of the run.
        start: the run that it begins with.
        network: with the weights of that.
        task: that it learns now.
        rows: of earlier runs.
        strategy: the devices.
        fingerprints: of what decides texts and tokens of the rows.
    """
    key = {
        "weights": sha256_of(start.run.best_weights),
        "model": start.model,
        "tuning": plain(config.tuning),
        "precision": config.training.precision,
        "rows": list(fingerprints),
    }
    earlier, max_length = restore_task(start.model["task"]), config.backbone.max_length
    information = find_fisher_information(network, task, earlier, rows, max_length, strategy, key)
    with strategy.scope():
        return Consolidation(network.trainable_variables, information, config.continual.ewc)


def _information(
    network: keras.Model, task: Task, earlier: Task, rows: FisherRows, max_length: int, strategy: tf.distribute.Strategy
) -> list[np.ndarray]:
    variables, names = network.trainable_variables, earlier.logit_names()
    known = None if names == task.logit_names() else places_of(names, task.logit_names())

    def squared_gradients(number: tf.Tensor, inputs: dict[str, tf.Tensor], labels: tf.Tensor) -> list[tf.Tensor]:
        """Of one row: its number, its inputs [1, …] and its labels [1, …]."""
        with tf.GradientTape() as tape:
            logits = network({name: inputs[name] for name in network.input}, training=False)
            logits = logits if known is None else tf.gather(logits, known, axis=-1)
            drawn = earlier.draw(labels, tf.stop_gradient(logits), tf.stack([rows.seed % 2**31, number]))
            loss = tf.reduce_sum(earlier.loss(drawn, logits))
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        return [
            tf.zeros(variable.shape) if gradient is None else tf.square(tf.convert_to_tensor(gradient))
            for variable, gradient in zip(variables, gradients, strict=True)
        ]

    def of_rows(numbers: tf.Tensor, inputs: dict[str, tf.Tensor], labels: tf.Tensor) -> list[tf.Tensor]:
        def add(row: tf.Tensor, sums: list[tf.Tensor]) -> tuple:
            one = {name: tensor[row : row + 1] for name, tensor in inputs.items()}
            squares = squared_gradients(numbers[row], one, labels[row : row + 1])
            return row + 1, [so_far + square for so_far, square in zip(sums, squares, strict=True)]

        start = [tf.zeros(variable.shape) for variable in variables]
        _, sums = tf.while_loop(
            lambda row, _: row < tf.size(numbers), add, (tf.constant(0), start), parallel_iterations=1
        )
        return sums

    run = tf.function(lambda *arrays: strategy.run(of_rows, arrays), reduce_retracing=True, autograph=False)
    totals, done = [np.zeros(variable.shape) for variable in variables], 0
    with progress_bar() as progress:
        count = RowCount(progress, "Computing what matters to the earlier run", len(rows.rows))
        for numbers, inputs, labels in rows.batches(earlier, max_length):
            tensors = {name: tf.constant(inputs[name]) for name in network.input}
            sums = run(tf.constant(numbers), tensors, tf.constant(labels))
            for total, of_batch in zip(totals, sums, strict=True):
                total += strategy.experimental_local_results(of_batch)[0].numpy()
            done += len(numbers)
            count.update(done)
    return [(total / len(rows.rows)).astype(np.float32) for total in totals]
