"""Tasks: a folder for each, and its name in `TASKS`.

Imports nothing: a client of a server needs no more than `predictions`. `spec_of` gives what must be known before
TensorFlow; the rest loads on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sftkeras.tasks.building import make_task, restore_task
    from sftkeras.tasks.contract import Task, TaskSpec
    from sftkeras.tasks.network import Pooling, TextModel, attach_head, attach_head_again, pool

# Every task, by the name of its folder.
TASKS = (
    "classification",
    "regression",
    "tagging",
    "span_qa",
    "similarity",
    "masked_lm",
    "chat",
    "causal_lm",
)
DEFAULT_TASK = "classification"

_HOMES = {
    "Pooling": "network",
    "Task": "contract",
    "TaskSpec": "contract",
    "TextModel": "network",
    "attach_head": "network",
    "attach_head_again": "network",
    "make_task": "building",
    "pool": "network",
    "restore_task": "building",
}

__all__ = [
    "DEFAULT_TASK",
    "TASKS",
    "Pooling",
    "Task",
    "TaskSpec",
    "TextModel",
    "attach_head",
    "attach_head_again",
    "make_task",
    "pool",
    "restore_task",
    "spec_of",
]


def spec_of(kind: str) -> TaskSpec:
    """Gives what is known of a task before TensorFlow. The name may come from a file, so only a known one is imported.

    Raises:
        KeyError: there is no such task.
    """
    if kind not in TASKS:
        raise KeyError(kind)
    spec: TaskSpec = import_module(f"{__name__}.{kind}.spec").SPEC
    return spec


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    for settings in (spec_of(kind).settings for kind in TASKS) if name.endswith("Settings") else ():
        if settings.__name__ == name:
            return settings
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
