"""Settings as keyword arguments, nested or with dots in their names. The parser of the command line reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from os import PathLike, fspath
from typing import Any

from sftkeras.command_line import commands
from sftkeras.command_line.remedies import in_keywords
from sftkeras.command_line.settings_file import settings_of
from sftkeras.config import EvaluateConfig, TrainConfig
from sftkeras.console import say
from sftkeras.data.formats.in_memory import file_of, is_rows
from sftkeras.errors import SFTError

# The setting that a group of settings stands for where one word is given in its place.
_SHORT_FOR = {
    "task": "kind",
    "backbone": "handle",
    "data": "train",
    "resume": "mode",
    "objective": "kind",
    "distillation": "teacher",
}


def train_config(config: TrainConfig | Mapping[str, Any] | str | PathLike[str] | None, **settings: Any) -> TrainConfig:
    """Makes the settings of a run from a config and from keyword settings, which override it.

    Args:
        config: settings as a dataclass or a dictionary, or a YAML file of them.
        **settings: by name: a value, a dictionary or dataclass for a group of settings, or dotted names.

    Raises:
        SFTError: SFT120 if `config` is none of these, SFT101 to SFT103 as on the command line.
    """
    match config:
        case None:
            words = []
        case str() | PathLike():
            words = ["--config", fspath(config)]
        case TrainConfig() | Mapping():
            words = _words(config, TrainConfig)
        case _:
            raise SFTError("SFT120", kind=type(config).__name__)
    words = [*words, *_words(settings, TrainConfig)]
    parsed = commands.parse(TrainConfig, words)
    say(*commands.notes(words))
    return parsed


def evaluate_config(
    model: PathLike[str], data: Any, output: str | PathLike[str], reading: Mapping[str, Any]
) -> EvaluateConfig:
    """Makes the settings of an evaluation.

    Args:
        model: a run's folder, or a version.
        data: a file, rows in memory, or None for the run's own test part.
        output: the report's folder.
        reading: further settings by name.

    Raises:
        SFTError: SFT121 or SFT122 for rows in memory that cannot be read, SFT101 or SFT102 as on the command line.
    """
    columns = [str(reading.get(name) or name) for name in ("text", "label")]
    file = file_of(data, "test", columns) if is_rows(data) else data
    given = {"model": model, "output": output, **({} if file is None else {"data.test": file}), **reading}
    return commands.parse(EvaluateConfig, _words(given, EvaluateConfig))


@contextmanager
def errors_in_keywords() -> Iterator[None]:
    """Words the errors of the block for those who write keyword settings and not flags."""
    try:
        yield
    except SFTError as error:
        error.args = (in_keywords(str(error)),)
        raise


def _words(values: Any, config_class: type) -> list[str]:
    groups = {name for name, kind in settings_of(config_class).items() if is_dataclass(kind)}
    return [f"--{name}={_written(value)}" for name, value in _flat(values, "", groups)]


def _flat(values: Any, prefix: str, groups: set[str]) -> Iterator[tuple[str, Any]]:
    """Yields each setting with its dotted name."""
    for name, value in _items(values):
        name = f"{prefix}{name}"
        if name in groups and (isinstance(value, Mapping) or is_dataclass(value)):
            yield from _flat(value, f"{name}.", groups)
        elif name in groups and name in _SHORT_FOR and isinstance(value, str | PathLike | list):
            yield f"{name}.{_SHORT_FOR[name]}", value
        else:
            yield name, value


def _items(values: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(values, Mapping):
        yield from values.items()
    else:
        yield from ((setting.name, getattr(values, setting.name)) for setting in fields(values))


def _written(value: Any) -> str:
    """A value as it is written on the command line."""
    if isinstance(value, str | PathLike):
        return fspath(value)
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    """Return what JSON can hold of a path, a tuple of another kind, or a number of NumPy."""
    if isinstance(value, PathLike):
        return fspath(value)
    return value.item() if hasattr(value, "item") else str(value)
