"""Says once that training goes wrong: its loss is far above that of answering every text alike."""

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
FAR_ABOVE = 1.5  # times the loss of answering alike, or of the first step: a head that knows nothing may begin higher
_BATCHES = 32  # whose labels stand for all
_ALIKE, _FIRST = "a model that answers every text alike", "the first step"


class RuinWatch(keras.callbacks.Callback):
    """Watches the training loss, and warns once if it is far too high, as after a learning rate that is.

    Args:
        record: filled by a `Recorder` that stands before this in the list of callbacks.
        position: of the run.
        task: whose loss it is.
        batches: of the training part.
        rate: the setting of the peak learning rate.
        tell: says a line.
    """

    def __init__(
        self,
        record: StepRecord,
        position: Position,
        task: Task,
        batches: Batches,
        rate: float,
        *,
        tell: Callable[[str], None] = say,
    ) -> None:
        super().__init__()
        self._record = record
        self._position = position
        self._rate = rate
        self._tell = tell
        self._told = False
        self._alike = loss_of_answering_alike(task, batches)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Compares the last steps with what answering alike costs, and with the first step."""
        losses = self._record.losses
        if self._told or len(losses) <= WINDOW:
            return
        usual, what = max((self._alike, _ALIKE), (losses[0], _FIRST))
        loss = fmean(sorted(losses[-WINDOW:])[:-ODD])
        if loss > FAR_ABOVE * usual:
            self._told = True
            step = f"{self._position.global_step + 1:,}"
            shown = {"loss": f"{loss:.3g}", "usual": f"{usual:.3g}", "rate": f"{self._rate:g}"}
            self._tell(str(SFTError("SFT460", step=step, what=what, **shown)))


def loss_of_answering_alike(task: Task, batches: Batches) -> float:
    """Returns the training loss of the best answer that does not look at the text: how frequent labels are, the mean.

    0 for a task that has no such answer, or none that is simple.
    """
    if task.kind not in ("classification", "regression"):
        return 0.0
    parts = [batches.arrays(0, step)[1:] for step in range(min(batches.steps, _BATCHES))]
    labels, weights = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    weights = weights / max(weights.sum(), 1e-9)
    if task.kind == "regression":  # which learns standardised numbers
        logits = np.zeros(1)
    else:
        truths = task.truths(tf.constant(labels)).numpy()  # [rows, classes] of zeros and ones
        shares = np.clip(weights @ truths, 1e-6, 1 - 1e-6)
        logits = np.log(shares) if task.label_kind == "class" else np.log(shares / (1 - shares))
    rows = np.broadcast_to(logits.astype(np.float32), (len(labels), len(logits)))
    return float(task.loss(tf.constant(labels), tf.constant(rows)).numpy() @ weights)
