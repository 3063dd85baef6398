"""Calls of tools in what a model writes, in the forms of Hermes and Qwen, of Mistral, and of Llama 3: finding them in
texts, whole and as they come."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from sftkeras.text import marks

_OPENING, _CLOSING = "<tool_call>", "</tool_call>"  # of Hermes and Qwen
_MISTRAL = "[TOOL_CALLS]"  # a special token, which texts do not have
_ARGUMENTS = ("arguments", "parameters")  # Llama 3 writes the second
_MOST_CALLS = 128


@dataclass(frozen=True)
class CallStyle:
    """Form in which a model writes calls.

    Attributes:
        opening: marked text that stands before them.
        arguments: name of the member that holds the arguments.
        array: whether calls stand in an array.
    """

    opening: str = ""
    arguments: str = "arguments"
    array: bool = False

    @classmethod
    def of_template(cls, source: str) -> CallStyle:
        """Return the form that a chat template shows."""
        if _OPENING in source:
            return cls(_OPENING + "\n")
        if _MISTRAL in source:
            return cls(marks.special(_MISTRAL), array=True)
        return cls(arguments="parameters" if '"parameters"' in source else "arguments")


@dataclass(frozen=True)
class ToolCall:
    """A call of a function.

    Attributes:
        id: made here; of nine letters and digits, as Mistral's templates ask for.
        name: of the function.
        arguments: JSON of an object.
    """

    id: str
    name: str
    arguments: str

    def values(self) -> dict[str, Any]:
        """Return the call as OpenAI's API writes it."""
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": self.arguments}}


def plain_part(text: str) -> str:
    """Return the beginning of a text, as far as it has come, that is certainly no part of a call."""
    begun = text.lstrip()
    if not begun or begun[0] in "{[":
        return ""
    place = text.find(_OPENING)
    if place >= 0:
        return text[:place]
    for length in range(min(len(_OPENING) - 1, len(text)), 0, -1):
        if _OPENING.startswith(text[-length:]):
            return text[:-length]
    return text


def read_calls(text: str, names: Collection[str]) -> tuple[str, list[ToolCall]]:
    """Return a whole text without its calls, and the calls; what is no call of a known function stays text.

    The text without calls begins with `plain_part` of any beginning of the text.

    Args:
        text: of the model.
        names: of the functions.
    """
    place = text.find(_OPENING)
    if text.lstrip()[:1] in ("{", "["):
        found = _calls(text.strip().removeprefix(_MISTRAL).lstrip(), names)
        return ("", found) if found else (text, [])
    if place < 0:
        return text, []
    rest, calls = text[:place], []
    for block in text[place:].split(_OPENING)[1:]:
        inside, closing, after = block.partition(_CLOSING)
        found = _calls(inside.strip(), names)
        calls += found
        rest += after.strip() if found else _OPENING + inside + closing + after
    return rest, calls[:_MOST_CALLS]


def _calls(text: str, names: Collection[str]) -> list[ToolCall]:
    """The calls that a text of JSON holds: one, several behind each other or an array; none unless all of it is."""
    found = []
    try:
        for value in _values(text):
            for one in value if isinstance(value, list) else [value]:
                call = _call(one, names)
                if call is None:
                    return []
                found.append(call)
    except (ValueError, RecursionError):
        return []
    return found[:_MOST_CALLS]


def _values(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder()
    while text:
        value, end = decoder.raw_decode(text)
        yield value
        text = text[end:].lstrip(" \n;,")


def _call(value: Any, names: Collection[str]) -> ToolCall | None:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str) or value["name"] not in names:
        return None
    arguments: Any = next((value[key] for key in _ARGUMENTS if key in value), {})
    if not isinstance(arguments, dict):
        return None
    return ToolCall(secrets.token_hex(5)[:9], value["name"], json.dumps(arguments, ensure_ascii=False))
