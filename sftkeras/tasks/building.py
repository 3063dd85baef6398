"""Tasks from their settings: for training, and again for inference."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from sftkeras.config import TaskSettings
from sftkeras.tasks import TASKS, Task
from sftkeras.text import AnyTokenizer


def make_task(
    config: TaskSettings, label_names: tuple[str, ...], train_labels: Any, tokenizer: AnyTokenizer = None
) -> Task:
    """Builds the task from its settings and the training labels.

    Args:
        config: the task's settings.
        label_names: names of the classes; empty for numbers.
        train_labels: of the training examples, as the data has them: see `sftkeras.data.Examples`.
        tokenizer: the backbone's, for a task that must know the vocabulary.
    """
    task: Task = _module_of(config.kind).make(config, label_names, train_labels)
    return task.for_tokenizer(tokenizer)


def restore_task(settings: dict[str, Any]) -> Task:
    """Builds the task again from what its `settings()` gave, for inference.

    Raises:
        KeyError: there is no such task.
    """
    task: Task = _module_of(settings["kind"]).restore(settings)
    return task


def _module_of(kind: str) -> Any:
    """The task's module. The name may come from a file, so only a known one is imported."""
    if kind not in TASKS:
        raise KeyError(kind)
    return import_module(f"sftkeras.tasks.{kind}.task")
