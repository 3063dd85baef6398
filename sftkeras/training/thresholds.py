"""Thresholds that a task chooses by the validation part once it has learned: a function of the best weights."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from sftkeras import runtime
from sftkeras.data import LabelledData
from sftkeras.runs import RunFolder
from sftkeras.runs.restoring import restore_model
from sftkeras.tasks import Task, TextModel


def choose_thresholds(run: RunFolder, task: Task, data: LabelledData, *, batch_size: int) -> None:
    """Choose the thresholds that the settings left open, and keep the task with them in the run.

    Args:
        run: has the best weights; the model is built again in float32, as it will be exported.
        task: what was trained.
        data: its "validation" part is predicted.
        batch_size: texts predicted at once.
    """
    rows = data.splits["validation"]
    labels = data.examples.labels[rows]
    if not task.needs_thresholds(labels):
        return
    runtime.full_precision()
    text_model = restore_model(run)
    parts = [_predict(text_model, data, rows[begin : begin + batch_size]) for begin in range(0, len(rows), batch_size)]
    predictions = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    run.keep_task(text_model.task.with_thresholds(predictions, labels))


def _predict(text_model: TextModel, data: LabelledData, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return the named predictions for some rows, computed on the CPU, as the export is proved there."""
    texts, pairs = data.examples.texts(rows), data.examples.pairs(rows)
    with tf.device("CPU:0"):
        second = None if pairs is None else tf.constant(pairs, tf.string)
        predictions = text_model(tf.constant(texts, tf.string), second)
    return {name: tensor.numpy() for name, tensor in predictions.items()}
