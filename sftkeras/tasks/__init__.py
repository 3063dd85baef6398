"""What a model can learn to answer: one file a task, and a line in `sftkeras.config.TASKS`."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from sftkeras.config import TASKS, TaskConfig
from sftkeras.tasks.contract import Pooling, Task
from sftkeras.tasks.network import TextModel, attach_head, pool
from sftkeras.text import AnyTokenizer

__all__ = ["Pooling", "Task", "TextModel", "attach_head", "make_task", "pool", "restore_task"]


def make_task(
    config: TaskConfig, label_names: tuple[str, ...], train_labels: Any, tokenizer: AnyTokenizer = None
) -> Task:
    """Builds the task from its settings and the training labels.

    Args:
        config: the task's settings.
        label_names: names of the classes; empty for numbers.
        train_labels: of the training examples, as the data has them: see `sftkeras.data.Examples`.
        tokenizer: the backbone's, for a task that must know the vocabulary.
    """
    task = _file_of(config.kind).make(config, label_names, train_labels)
    return task.for_tokenizer(tokenizer) if hasattr(task, "for_tokenizer") else task


def restore_task(settings: dict[str, Any]) -> Task:
    """Builds the task again from what its `settings()` gave, for inference."""
    return _file_of(settings["kind"]).restore(settings)


def _file_of(kind: str) -> Any:
    """The task's module. The name may come from a file, so only a known one is imported.

    Raises:
        KeyError: there is no such task.
    """
    if kind not in TASKS:
        raise KeyError(kind)
    return import_module(f"{__name__}.{kind}.task")
