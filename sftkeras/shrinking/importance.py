"""Importance of attention heads and feed-forward units: how much the loss changes without them, at first order.

A head or a unit that is multiplied by a mask of 1 has the importance |∂loss/∂mask|, averaged over rows (Michel et al.,
2019, "Are Sixteen Heads Really Better than One?", arXiv:1905.10650). All that it gives goes through its rows of the
next kernel W, so ∂loss/∂mask is the sum of W · ∂loss/∂W over these rows, and the network needs no mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import tensorflow as tf

from sftkeras.backbones.dense.adapters import AnyDense, sizes
from sftkeras.backbones.linear_parts import linear_parts
from sftkeras.backbones.narrower import width_of
from sftkeras.console import progress_bar
from sftkeras.data import BatchPlan, LabelledData
from sftkeras.data.storage.progress import RowCount
from sftkeras.evaluation.evaluated import evenly_spread
from sftkeras.objectives import plain_objective
from sftkeras.objectives.objective import Rows
from sftkeras.runs.restoring import RestoredRun
from sftkeras.tasks import TextModel
from sftkeras.tasks.late_gradients import late_gradients
from sftkeras.training.batches import Batches, read_inputs

_TOGETHER = 16  # rows of a batch where a row's loss depends on the others; else each row has a gradient of its own


@dataclass(frozen=True)
class Importance:
    """Importance of what a layer has.

    Attributes:
        groups: of its groups of heads, [groups] float64.
        units: of its feed-forward units, [units] float64.
    """

    groups: np.ndarray
    units: np.ndarray


def importance_of(restored: RestoredRun, data: LabelledData, rows: int) -> list[Importance]:
    """Measures how important the heads and units of each layer are for the task's own loss, without dropout.

    Args:
        restored: the trained model.
        data: its rows: those of the validation part are looked at, or of the training part where there is none.
        rows: how many of them at most, evenly spread.
    """
    backbone, width = restored.backbone, width_of(restored.backbone)
    places = linear_parts(backbone)
    parts = [places[number, name] for number in range(len(backbone.layers)) for name in ("output", "down")]
    of_mask = tf.function(partial(_of_mask, restored.model, parts), reduce_retracing=True, autograph=False)
    batches = _batches(restored, data, rows)
    sums = [np.zeros(size) for groups in width.groups for size in (groups, width.units)]  # as `parts`
    with progress_bar() as progress:
        count, done = RowCount(progress, "Measuring the importance of heads and units", batches.examples), 0
        for step in range(batches.steps):
            batch = batches.arrays(0, step)
            for total, mask in zip(sums, of_mask(_as_tensors(batch)), strict=True):
                total += np.abs(mask.numpy().reshape(len(total), -1).sum(1, dtype=np.float64))
            done += len(batch[1])
            count.update(min(done, batches.examples))
    return [Importance(groups, units) for groups, units in zip(sums[::2], sums[1::2], strict=True)]


def _of_mask(model: TextModel, parts: list[AnyDense], batch: Rows) -> list[tf.Tensor]:
    """The gradient of the loss with respect to a mask of the inputs of each part, [inputs]."""
    objective = plain_objective(model.task)
    kernels = [part.kernel.value for part in parts]
    with late_gradients(), tf.GradientTape() as tape:
        loss = objective.loss(partial(model.network, training=False), batch).total
    gradients = tape.gradient(loss, kernels)
    return [
        tf.reduce_sum(tf.reshape(kernel * gradient, sizes(part)), 1)
        for part, kernel, gradient in zip(parts, kernels, gradients, strict=True)
    ]


def _as_tensors(batch: tuple) -> Rows:
    inputs, labels, weights = batch
    return {name: tf.constant(array) for name, array in inputs.items()}, tf.constant(labels), tf.constant(weights)


def _batches(restored: RestoredRun, data: LabelledData, rows: int) -> Batches:
    """The batches of the rows that are looked at."""
    task, features = restored.model.task, restored.model.features
    with progress_bar() as progress:
        inputs = read_inputs(data.examples, features, progress)
    part = data.splits["validation"] if len(data.splits["validation"]) else data.splits["train"]
    own = inputs.rows_of(evenly_spread(part, rows))
    plan = BatchPlan(inputs.lengths, own, _TOGETHER if task.whole_batch else 1, seed=0, shuffle=False)
    return Batches(plan, inputs, inputs.of_rows(data.examples.labels), task, restored.max_length)
