"""The choice of the task: it decides which settings `task` has, so it is read from flags and files before the others.

A setting of another task is refused, unless it has its usual value: files that earlier versions wrote list the settings
of all tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field as dataclass_field
from dataclasses import fields, make_dataclass
from functools import cache
from typing import Any, get_type_hints

from jsonargparse import ArgumentParser

from sftkeras.command_line.settings_file import place_of
from sftkeras.config import TaskSettings
from sftkeras.errors import SFTError, did_you_mean
from sftkeras.tasks import DEFAULT_TASK, TASKS, spec_of
from sftkeras.tasks.config_checks import without_effect

KIND = "task.kind"


def chosen_task(words: Sequence[str]) -> str:
    """Returns the task that the words of a command, and the files that they name, choose; the later wins.

    Raises:
        SFTError: SFT102 or SFT103 if there is no such task, SFT103 if a file cannot be read.
    """
    chosen = DEFAULT_TASK
    flag = ""
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            name, value = flag, word
        flag = "" if equals else word
        if name == f"--{KIND}":
            if value not in TASKS:
                raise SFTError("SFT102", flag=f"--{KIND}", problem=no_such_task(value))
            chosen = value
        elif name == "--config" and (place := place_of(KIND, value)):
            if place.value not in TASKS:
                raise place.error(f"{KIND}: {no_such_task(place.value)}")
            chosen = place.value
    return chosen


def no_such_task(kind: str) -> str:
    """Returns what is said of a task that there is not."""
    *others, last = TASKS
    return f"expected {', '.join(others)} or {last}; got {kind or 'nothing'}.{did_you_mean(kind, TASKS)}"


def has_task(config_class: type) -> bool:
    """Says whether a command has settings of a task."""
    return get_type_hints(config_class).get("task") is TaskSettings


def with_task(config_class: type, kind: str) -> type:
    """Returns a command's config class with the settings of one task in the place of those of any."""
    return _with_settings(config_class, kind) if has_task(config_class) else config_class


@cache
def _with_settings(config_class: type, kind: str) -> type:
    settings = spec_of(kind).settings
    own = make_dataclass(
        config_class.__name__,
        [("task", settings, dataclass_field(default_factory=settings))],
        bases=(config_class,),
        frozen=True,
        kw_only=True,
    )
    own.__doc__ = config_class.__doc__
    return own


def settings_of_others(kind: str) -> dict[str, list[type[TaskSettings]]]:
    """Returns the settings that only other tasks have, by their dotted names, with the classes that have them."""
    others: dict[str, list[type[TaskSettings]]] = {}
    for settings in (spec_of(other).settings for other in TASKS):
        for setting in fields(settings):
            if setting.name not in spec_of(kind).settings.__dataclass_fields__:
                others.setdefault(f"task.{setting.name}", []).append(settings)
    return others


def not_set_before(kind: str) -> dict[str, str]:
    """Returns the values by which files that list the settings of all tasks mean that a setting is not set."""
    spec = spec_of(kind)
    values = {f"data.{name}": column for name, column in spec.found.items()}
    if "label" in spec.label_kind(spec.settings()).refuses:
        values["data.label"] = "label"
    return values if spec.pools else {**values, "backbone.pooling": "mean"}


def without_others(words: Sequence[str], kind: str) -> tuple[list[str], dict[str, str]]:
    """Returns the words of a command without the settings that only other tasks have, and those with their values."""
    flags = {f"--{name}": name for name in settings_of_others(kind)}
    kept: list[str] = []
    left: dict[str, str] = {}
    flag = ""
    for word in words:
        name, equals, value = word.partition("=")
        if flag:
            left[flags[flag]], flag = word, ""
        elif name in flags:
            if equals:
                left[flags[name]] = value
            else:
                flag = name
        else:
            kept.append(word)
    if flag:
        left[flags[flag]] = ""
    return kept, left


def refuse_others(task: TaskSettings, given: Mapping[str, str]) -> None:
    """Refuses settings of other tasks that were given a value other than their usual one.

    Args:
        task: the settings of the task that is chosen.
        given: those of others, by their dotted names, with their values as they were written.

    Raises:
        SFTError: SFT412.
    """
    owners = settings_of_others(task.kind)
    for name, value in given.items():
        if not any(_is_usual(owner, name, value) for owner in owners[name]):
            raise without_effect(spec_of(task.kind), task, f"--{name}")


def _is_usual(owner: type[TaskSettings], name: str, value: str) -> bool:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(owner, nested_key="task")
    try:
        read: Any = parser.parse_args([f"--{name}={value}"])
    except Exception:  # whatever it is, it is not the usual value
        return False
    return bool(read[name] == getattr(owner(), name.removeprefix("task.")))
