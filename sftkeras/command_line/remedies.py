"""Advice of messages, in the flags of the command that shows it.

Messages are worded with the flags of `train`. Another command may have the same setting by another name (`--label` of
`evaluate` is `--data.label` of `train`; the metadata of its fields say so), or not at all: then the message says whose
setting it is.
"""

from __future__ import annotations

import re
from dataclasses import fields
from functools import cache

from sftkeras.command_line.settings_file import settings_of
from sftkeras.command_line.task_choice import has_task, with_task
from sftkeras.config import LaunchConfig, TrainConfig
from sftkeras.tasks import DEFAULT_TASK, TASKS

_FLAG = re.compile(r"(?<![\w-])--([a-z]\w*(?:\.\w+)*)")
_FLAG_WITH_WORD = re.compile(r"(?<![\w-])--([a-z]\w*(?:\.\w+)*) (true|false|null)\b")
_SENTENCE_OF_TRAIN = re.compile(r"[^.]*(?:[Tt]rain again|sftkeras\.train)[^.]*(?:\.\w[^.]*)*")


def flags_in(message: str) -> list[str]:
    """Returns the flags that a message names, without their dashes, each once."""
    return list(dict.fromkeys(_FLAG.findall(message)))


@cache
def flags_of(command: type) -> frozenset[str]:
    """Returns the flags of a command, without their dashes, by its config class."""
    tasks = TASKS if has_task(command) else [DEFAULT_TASK]
    names = frozenset({"config", "print_config", "help"}).union(
        *(settings_of(with_task(command, kind)) for kind in tasks)
    )
    return names | flags_of(TrainConfig) if command is LaunchConfig else names  # which hands the others on


def in_flags_of(command: type, message: str) -> str:
    """Returns a message with the flags that the command has.

    Args:
        command: its config class.
        message: worded with the flags of `train`, or with the command's own.
    """
    names = {known: setting.name for setting in fields(command) if (known := setting.metadata.get("of_train"))}
    return with_owners(command, _FLAG.sub(lambda found: f"--{names.get(found[1], found[1])}", message))


def with_owners(command: type, message: str) -> str:
    """Returns a message that also says which of its flags `train` alone has; takes what `in_flags_of` does."""
    own = flags_of(command)
    rest = _SENTENCE_OF_TRAIN.sub("", message)
    others = [name for name in flags_in(rest) if name not in own and name in flags_of(TrainConfig)]
    if not others:
        return message
    listed = " and ".join(f"--{name}" for name in others)
    return f"{message} ({listed}: set when a model is trained, with sftkeras.train.)"


def in_keywords(message: str) -> str:
    """Returns a message with the settings as Python has them: `overwrite=True` in place of `--overwrite true`."""
    values = {"true": "True", "false": "False", "null": "None"}
    message = _FLAG_WITH_WORD.sub(lambda found: f"{found[1]}={values[found[2]]}", message)
    return _FLAG.sub(lambda found: found[1], message)
