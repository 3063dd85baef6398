"""Settings and the YAML files they stand in: which there are, what each expects, and where each was written."""

from __future__ import annotations

import operator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml

from sftkeras.errors import SFTError, did_you_mean

_WORDS = {str: "text", bool: "true or false", int: "a whole number", float: "a number", NoneType: "null"}
_BOUNDS = {operator.gt: "above", operator.ge: "at least", operator.lt: "below", operator.le: "at most"}


@dataclass(frozen=True)
class Place:
    """Where a setting stands in a file, and how its value is written there."""

    file: str
    line: int
    column: int
    value: str

    def error(self, problem: str) -> SFTError:
        """SFT103 at this place."""
        return SFTError("SFT103", file=f"{self.file} line {self.line}, column {self.column}", problem=problem)


def settings_of(config_class: type, prefix: str = "") -> dict[str, Any]:
    """Every setting of a config class with its type, by its dotted name; a group of settings has its class."""
    settings: dict[str, Any] = {}
    hints = get_type_hints(config_class)
    for setting in fields(config_class):
        name, kind = prefix + setting.name, hints[setting.name]
        settings[name] = kind
        if is_dataclass(kind):
            settings.update(settings_of(kind, f"{name}."))  # type: ignore[arg-type]
    return settings


def in_words(kind: Any) -> str:
    """What a value of this type looks like, in plain words."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return ", or ".join(map(in_words, parts))
    if origin is Literal:
        *others, last = map(str, parts)
        return f"{', '.join(others)} or {last}" if others else last
    if origin is list:
        return f"a list, such as [A, B], each item {in_words(parts[0])}"
    if origin is dict:
        return f"names with values, such as {{A: B}}, each value {in_words(parts[1])}"
    if limits := getattr(kind, "_restrictions", None):
        bounds = " and ".join(f"{_BOUNDS[comparison]} {limit}" for comparison, limit in limits)
        return f"{_WORDS[kind._type]} {bounds}"
    return _WORDS.get(kind) or kind.__doc__


def find_settings(path: str, settings: dict[str, Any]) -> dict[str, Place]:
    """Reads a file and tells where each of its settings stands.

    Args:
        path: the file, as the user wrote it.
        settings: the settings there are, as `settings_of` gives them.

    Raises:
        SFTError: SFT103 if the file cannot be read, is not YAML, or names a setting twice or one that there is not.
    """
    try:
        root = yaml.compose(Path(path).expanduser().read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        problem = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise SFTError("SFT103", file=path, problem=f"{problem}. Check --config.") from error
    except UnicodeDecodeError as error:
        raise SFTError("SFT103", file=path, problem=f"not valid UTF-8 (at byte {error.start}).") from error
    except yaml.MarkedYAMLError as error:
        where = (
            f" line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}" if error.problem_mark else ""
        )
        raise SFTError("SFT103", file=path + where, problem=f"not valid YAML ({error.problem}).") from error
    except yaml.YAMLError as error:  # a character that YAML does not allow
        raise SFTError("SFT103", file=path, problem=f"not valid YAML ({' '.join(str(error).split())}).") from error
    if not isinstance(root, yaml.MappingNode):
        raise SFTError("SFT103", file=path, problem="no settings in it. Write them as lines of name: value.")
    places: dict[str, Place] = {}
    _walk(root, "", path, settings, places)
    return places


def _walk(group: yaml.MappingNode, prefix: str, file: str, settings: dict[str, Any], places: dict[str, Place]) -> None:
    for key, value in group.value:
        name = prefix + str(key.value)
        place = Place(file, key.start_mark.line + 1, key.start_mark.column + 1, _written(value))
        if name not in settings:
            raise place.error(f"{name}: no such setting.{did_you_mean(name, settings)} See --help for all settings.")
        if name in places:
            raise place.error(f"{name} is set twice, first on line {places[name].line}.")
        places[name] = place
        if is_dataclass(settings[name]):
            if not isinstance(value, yaml.MappingNode):
                raise place.error(f"{name} is a group of settings: write each below it, indented, as name: value.")
            _walk(value, f"{name}.", file, settings, places)


def _written(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return node.value
    return yaml.serialize(node).strip().replace("\n", " ")
