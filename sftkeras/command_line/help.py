"""The text of `--help`: an example to copy, what must be given, and every setting in plain words.

All of it comes from the command's dataclass: its `EXAMPLE` and `REQUIRED`, and the texts under its fields.
"""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, get_type_hints

from sftkeras.command_line.settings_file import in_words
from sftkeras.command_line.task_choice import KIND
from sftkeras.tasks import DEFAULT_TASK, TASKS, spec_of

_WIDEST = 100  # columns: longer lines are hard to read
_INDENT = 6  # of what is said of a setting


def help_text(command: type, texts: Mapping[str, str]) -> str:
    """Returns what a command prints for --help.

    Args:
        command: its config class.
        texts: what is said of each setting, by its dotted name.
    """
    width = min(_WIDEST, shutil.get_terminal_size().columns)
    lines = [
        *textwrap.wrap(f"{_description(command)}.", width),
        "",
        "Example:",
        f"  {command.EXAMPLE}",  # type: ignore[attr-defined]
        "",
        *textwrap.wrap(f"Required: {command.REQUIRED}", width),  # type: ignore[attr-defined]
        "",
        *textwrap.wrap(
            "A setting is given as --NAME VALUE, or in a YAML file as NAME: value. A value with spaces or brackets "
            "needs quotes: --NAME '[A, B]'.",
            width,
        ),
        "",
        *_entry("--config FILE", "A YAML file of settings; later flags override it.", width),
        *_entry("--print_config", "Print all settings as a YAML file, with their meaning, and end.", width),
        *_entry("--help", "Print this and end.", width),
        *_group(command, "", texts, width),
    ]
    return "\n".join(lines) + "\n"


def _group(group: type, prefix: str, texts: Mapping[str, str], width: int, short_for: str = "") -> Iterator[str]:
    """The settings of a group, then the groups in it, each under a title; one may be given by the group's name."""
    kinds = get_type_hints(group)
    inner = [setting for setting in fields(group) if is_dataclass(kinds[setting.name])]
    for setting in fields(group):
        if setting in inner:
            continue
        name = prefix + setting.name
        if name == KIND:
            yield from _tasks(str(setting.default), width)
            continue
        kind = f"{in_words(kinds[setting.name])}{_usual(setting)}"
        short = f", for short --{prefix.rstrip('.')}" if setting.name == short_for else ""
        yield from _entry(f"--{name}{short}", f"{texts[name]} [{kind}]", width)
    for setting in inner:
        name, own = prefix + setting.name, kinds[setting.name]
        yield from ["", *textwrap.wrap(f"{name}: {_description(own)}", width)]
        yield from _group(own, f"{name}.", texts, width, getattr(own, "SHORT_FOR", ""))


def _tasks(shown: str, width: int) -> Iterator[str]:
    """The tasks there are, and how to see their settings."""
    other = next(kind for kind in TASKS if kind != shown)
    yield from _entry(
        f"--{KIND}",
        f"Name of the task [default {DEFAULT_TASK}]. These are the settings of {shown}; "
        f"`--{KIND} {other} --help` shows those of {other}. The tasks are:",
        width,
    )
    longest = max(map(len, TASKS))
    for kind in TASKS:
        head = f"{' ' * _INDENT}  {kind:{longest}}  "
        yield from textwrap.wrap(
            f"{spec_of(kind).summary}.", width, initial_indent=head, subsequent_indent=" " * len(head)
        )


def _entry(head: str, text: str, width: int) -> list[str]:
    margin = " " * _INDENT
    body = textwrap.wrap(
        " ".join(text.split()), width, initial_indent=margin, subsequent_indent=margin, break_on_hyphens=False
    )
    return [f"  {head}", *body]


def _usual(setting: Field[Any]) -> str:
    """Return the default of a setting in words; nothing for one that must be given."""
    value = setting.default_factory() if setting.default_factory is not MISSING else setting.default
    if value == "":
        return ""
    return f"; default {value if isinstance(value, str) else json.dumps(value)}"


def _description(group: type) -> str:
    return str(group.__doc__).strip().splitlines()[0].rstrip(".")
