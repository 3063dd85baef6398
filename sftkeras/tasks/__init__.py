"""What a model can learn to answer: one file a task."""

from __future__ import annotations

from typing import Any

import numpy as np

from sftkeras.config import TaskConfig
from sftkeras.tasks.classification import Classification, MultiLabelClassification, make_classification
from sftkeras.tasks.network import TextModel, attach_head, pool
from sftkeras.tasks.regression import Regression, make_regression
from sftkeras.tasks.task import Task

__all__ = ["Task", "TextModel", "attach_head", "make_task", "pool", "restore_task"]


def make_task(config: TaskConfig, label_names: tuple[str, ...], train_labels: np.ndarray) -> Task:
    """Builds the task from its settings and the training labels.

    Args:
        config: the task's settings.
        label_names: names of the classes; empty for numbers.
        train_labels: int32 [examples], uint8 [examples, classes] or float32 [examples].
    """
    if config.kind == "regression":
        return make_regression(config.dropout, train_labels)
    counts = train_labels.sum(0) if config.multi_label else np.bincount(train_labels, minlength=len(label_names))
    return make_classification(config, label_names, counts)


def restore_task(settings: dict[str, Any]) -> Task:
    """Builds the task again from what its `settings()` gave, for inference."""
    if settings["kind"] == "regression":
        return Regression(settings["mean"], settings["deviation"])
    names = tuple(settings["label_names"])
    if settings["multi_label"]:
        return MultiLabelClassification(names, threshold=settings["threshold"])
    return Classification(names)
