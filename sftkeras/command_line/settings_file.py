"""Settings and the YAML files they stand in: which there are, what each expects, and where each was written."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml

from sftkeras.config.renamed import RENAMED
from sftkeras.errors import SFTError, did_you_mean

_WORDS = {str: "text", bool: "true or false", int: "a whole number", float: "a number", NoneType: "null"}
_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_TEXT, _GROUP = "tag:yaml.org,2002:str", "tag:yaml.org,2002:map"
_NULL, _MERGE = "tag:yaml.org,2002:null", "tag:yaml.org,2002:merge"
_NOTHING: Mapping[str, str] = MappingProxyType({})
_AS_WRITTEN: dict[str, Any] = {"allow_unicode": True, "width": 10**9}
_BOUNDS = {operator.gt: "above", operator.ge: "at least", operator.lt: "below", operator.le: "at most"}


@dataclass(frozen=True)
class Place:
    """Place of a setting in a file, and how its value is written there."""

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
    """Describe a value of this type in plain words."""
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


@dataclass(frozen=True)
class SettingsFile:
    """The settings of a file.

    Attributes:
        places: where each setting stands, by its dotted name.
        text: its YAML, with names in quotes: `no` and `2020` stay text, whatever reads it.
        left_out: settings that the text is without, with their values.
    """

    places: dict[str, Place]
    text: str
    left_out: dict[str, str]


def read_settings(
    path: str,
    settings: dict[str, Any],
    *,
    leave_out: Collection[str] = (),
    not_set: Mapping[str, str] = _NOTHING,
    fixed: Mapping[str, str] = _NOTHING,
) -> SettingsFile:
    """Reads a file of settings.

    Args:
        path: the file, as the user wrote it.
        settings: the settings there are, as `settings_of` gives them.
        leave_out: settings that may be in the file too, and are not taken from it.
        not_set: settings with the value by which a file that has some of `leave_out` means that they are not set.
        fixed: settings whose value is this one, whatever the file says.

    Raises:
        SFTError: SFT103 if the file cannot be read, is not YAML, or names a setting twice or one that there is not.
    """
    root = _compose(path)
    _use_new_names(root)
    places: dict[str, Place] = {}
    _walk(root, "", path, {**settings, **dict.fromkeys(leave_out)}, places)
    left_out = {name: _take_out(root, name.split(".")) for name in leave_out if name in places}
    for name in not_set.keys() & places.keys() if left_out else ():
        if places[name].value == not_set[name]:
            _take_out(root, name.split("."))
    for name in fixed.keys() & places.keys():
        _node_of(root, name.split(".")).value = fixed[name]
    return SettingsFile(places, yaml.serialize(root, **_AS_WRITTEN), left_out)


def place_of(name: str, path: str) -> Place | None:
    """Returns where a setting stands in a file, and its value; None where it is not set.

    Raises:
        SFTError: SFT103 if the file cannot be read or is not YAML.
    """
    node = _node_of(_compose(path), name.split("."))
    if node is None:
        return None
    return Place(path, node.start_mark.line + 1, node.start_mark.column + 1, _written(node))


def _node_of(group: yaml.Node, names: list[str]) -> Any:
    """The node of a setting; None where it is not set."""
    found: Any = group
    for name in names:
        if not isinstance(found, yaml.MappingNode):
            return None
        found = next((value for key, value in found.value if key.value == name), None)
    return found


def _take_out(root: yaml.MappingNode, names: list[str]) -> str:
    """Takes a setting out of the file, and returns its value."""
    *groups, last = names
    group = _node_of(root, groups)
    value = _written(_node_of(group, [last]))
    group.value = [(key, node) for key, node in group.value if key.value != last]
    return value


def _use_new_names(root: yaml.MappingNode) -> None:
    """Gives settings that stand there by an earlier name the name, and the group, that they have today."""
    for old, new in RENAMED.items():
        (*groups, last), (new_group, new_last) = old.split("."), new.split(".")
        group = _node_of(root, groups)
        moved = [pair for pair in getattr(group, "value", ()) if isinstance(pair, tuple) and pair[0].value == last]
        if not moved:
            continue
        group.value = [pair for pair in group.value if pair not in moved]
        for name, _ in moved:
            name.value = new_last
        target = _node_of(root, [new_group])
        if target is None:
            first = moved[0][0]
            target = yaml.MappingNode(_GROUP, [], first.start_mark, first.end_mark)
            root.value.append((yaml.ScalarNode(_TEXT, new_group, first.start_mark, first.end_mark), target))
        if isinstance(target, yaml.MappingNode):  # or what it is instead is refused
            target.value += moved


def _compose(path: str) -> yaml.MappingNode:
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
    return root


def _walk(group: yaml.MappingNode, prefix: str, file: str, settings: dict[str, Any], places: dict[str, Place]) -> None:
    for at, (key, value) in enumerate(group.value):
        name = prefix + str(key.value)
        place = Place(file, key.start_mark.line + 1, key.start_mark.column + 1, _written(value))
        if name not in settings:
            raise place.error(f"{name}: no such setting.{did_you_mean(name, settings)} See --help for all settings.")
        if name in places:
            raise place.error(f"{name} is set twice, first on line {places[name].line}.")
        places[name] = place
        if is_dataclass(settings[name]):
            if isinstance(value, yaml.ScalarNode) and (short_for := getattr(settings[name], "SHORT_FOR", None)):
                name_node = yaml.ScalarNode(_TEXT, short_for, key.start_mark, key.end_mark)
                value = yaml.MappingNode(_GROUP, [(name_node, value)])
                group.value[at] = (key, value)
            if not isinstance(value, yaml.MappingNode):
                raise place.error(f"{name} is a group of settings: write each below it, indented, as name: value.")
            _walk(value, f"{name}.", file, settings, places)
        elif repeated := _repeated_name(value):
            raise place.error(f"{name} has {repeated} twice.")
        else:
            _quote_names(value, settings[name])


def _written(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return node.value
    return yaml.serialize(node).strip().replace("\n", " ")


# --- names ---


def with_names_quoted(value: str, kind: Any) -> str:
    """Returns the value of a flag with the names in it in quotes, if it is a list or a mapping and should be one.

    Args:
        value: as the user wrote it, in YAML or JSON.
        kind: the type of the setting.

    Raises:
        ValueError: a mapping has a name twice.
    """
    if not any(get_origin(one) in (dict, list) for one in _kinds(kind)):
        return value
    try:
        node = yaml.compose(_json_as_yaml(value), Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return value
    if not isinstance(node, yaml.CollectionNode):
        return value
    if repeated := _repeated_name(node):
        raise ValueError(f"{repeated} stands twice in {value}")
    _quote_names(node, kind)
    return yaml.serialize(node, **_AS_WRITTEN)


def _json_as_yaml(value: str) -> str:
    """JSON as YAML reads it: halves of an emoji, control characters and odd line ends are written otherwise there."""
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return value
    return _JSON_STRING.sub(lambda found: _escaped(json.loads(found[0])), value)


def _escaped(text: str) -> str:
    letters = (letter if letter.isalnum() or letter == " " else f"\\U{ord(letter):08X}" for letter in text)
    return f'"{"".join(letters)}"'


def _quote_names(node: yaml.Node, kind: Any) -> None:
    """Quotes what a setting of this type holds as text: YAML reads no as false, 2020 as a number, 2020-01-01 as a date.

    A null where no text is needed stays one.
    """
    if isinstance(node, yaml.ScalarNode):
        if node.tag != _NULL and any(map(_is_text, _kinds(kind))):
            _quote(node)
        return
    for one in _kinds(kind):
        if get_origin(one) is dict and isinstance(node, yaml.MappingNode):
            _quote_pairs(node, *get_args(one))
        elif get_origin(one) is list and isinstance(node, yaml.SequenceNode):
            for item in node.value:
                _quote_item(item, *get_args(one))


def _quote_pairs(node: yaml.MappingNode, name_kind: Any, value_kind: Any) -> None:
    for name, value in node.value:
        if name.tag == _MERGE:
            for group in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if isinstance(group, yaml.MappingNode):  # or YAML's own reader says what is wrong
                    _quote_pairs(group, name_kind, value_kind)
        else:
            _quote_item(name, name_kind)
            _quote_item(value, value_kind)


def _quote_item(node: yaml.Node, kind: Any) -> None:
    if isinstance(node, yaml.ScalarNode) and _is_text(kind) and node.value:
        _quote(node)


def _quote(node: yaml.ScalarNode) -> None:
    node.tag, node.style = _TEXT, node.style or "'"


def _kinds(kind: Any) -> tuple[Any, ...]:
    """The types that a value may have."""
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _is_text(kind: Any) -> bool:
    return isinstance(kind, type) and get_origin(kind) is None and issubclass(kind, str)


def _repeated_name(node: yaml.Node) -> str | None:
    """The first name that a mapping has twice: YAML would take the later and say nothing."""
    names: set[str] = set()
    for name, _ in node.value if isinstance(node, yaml.MappingNode) else ():
        if name.value in names:
            return str(name.value)
        names.add(name.value)
    return None
