"""Warns once that training goes wrong: its loss is far above that of the same prediction for every text."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean

import keras
import numpy as np
import tensorflow as tf

from sftkeras.console import say
from sftkeras.errors import SFTError
from sftkeras.tasks import Task
from sftkeras.training.batches import Batches
from sftkeras.training.callbacks import StepRecord
from sftkeras.training.position import Position

WINDOW, ODD = 20, 2  # steps whose mean loss is looked at, without so many of the highest: some batches have odd labels
FAR_ABOVE = 1.5  # times the loss of a constant prediction, or of the first step; a new head may begin higher
_BATCHES = 32  # whose labels stand for all
_CONSTANT, _FIRST = "a model that predicts the same for every text", "the first step"


class RuinWatch(keras.callbacks.Callback):
    """Watches the training loss, and warns once if it is far too high, as after a learning rate that is.

    Args:
        record: filled by a `Recorder` that stands before this in the list of callbacks.
        position: of the run.
        task: whose loss it is.
        batches: of the training part.
        rate: the setting of the peak learning rate.
        report: prints a line.
    """

    def __init__(
        self,
        record: StepRecord,
        position: Position,
        task: Task,
        batches: Batches,
        rate: float,
        *,
        report: Callable[[str], None] = say,
    ) -> None:
        super().__init__()
        self._record = record
        self._position = position
        self._rate = rate
        self._report = report
        self._told = False
        self._constant = constant_loss(task, batches)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Compares the last steps with the loss of a constant prediction, and with the first step."""
        losses = self._record.losses
        if self._told or len(losses) <= WINDOW:
            return
        usual, what = max((self._constant, _CONSTANT), (losses[0], _FIRST))
        loss = fmean(sorted(losses[-WINDOW:])[:-ODD])
        if loss > FAR_ABOVE * usual:
            self._told = True
            step = f"{self._position.global_step + 1:,}"
            shown = {"loss": f"{loss:.3g}", "usual": f"{usual:.3g}", "rate": f"{self._rate:g}"}
            self._report(str(SFTError("SFT460", step=step, what=what, **shown)))


def constant_loss(task: Task, batches: Batches) -> float:
    """Returns the training loss of the best prediction that does not look at the text, such as how frequent labels are.

    0 for a task that has no such prediction, or none that is simple.
    """
    if task.constant_logits(*batches.arrays(0, 0)[1:]) is None:
        return 0.0
    parts = [batches.arrays(0, step)[1:] for step in range(min(batches.steps, _BATCHES))]
    labels, weights = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    weights = weights / max(weights.sum(), 1e-9)
    logits = task.constant_logits(labels, weights)
    assert logits is not None
    rows = np.broadcast_to(logits.astype(np.float32), (len(labels), len(logits)))
    return float(task.loss(tf.constant(labels), tf.constant(rows)).numpy() @ weights)
