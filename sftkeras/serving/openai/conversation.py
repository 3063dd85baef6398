"""The messages of a chat request: OpenAI's JSON to a conversation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sftkeras.conversations import Conversation, Message, Role
from sftkeras.serving.openai.errors import RequestError
from sftkeras.serving.openai.fields import Fields

_MOST_MESSAGES = 2048

# OpenAI's later models call the system's messages the developer's.
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
# What the official client sends back of an answer that it got.
_EMPTY_IN_ANSWERS = ("refusal", "annotations", "audio", "function_call", "reasoning_content")


def parse_messages(fields: Fields, tools: tuple[Mapping[str, Any], ...] = ()) -> Conversation:
    """Read the messages of a request.

    Args:
        fields: of the request.
        tools: that the answer may call.

    Raises:
        RequestError: they are no conversation, or hold something else than texts.
    """
    given = fields.required("messages")
    if not isinstance(given, list):
        raise fields.wrong_type("messages", "an array of objects", given)
    if not given:
        said = "Invalid 'messages': empty array. Expected an array with minimum length 1."
        raise RequestError(said, param="messages", reason="empty_array")
    if len(given) > _MOST_MESSAGES:
        message = (
            f"Invalid 'messages': array too long. Expected at most {_MOST_MESSAGES} messages, but got {len(given)}."
        )
        raise RequestError(message, param="messages", reason="array_above_max_length")
    messages = tuple(_message(fields, one, f"messages[{number}]") for number, one in enumerate(given))
    for number, one in enumerate(messages[1:], 1):
        if one.role == "system":
            place = f"messages[{number}]"
            said = f"Invalid '{place}': a message of the system must be the first."
            raise RequestError(said, param=place, reason="invalid_value")
    _check_results(messages)
    return Conversation(messages, tools)


def _check_results(messages: Sequence[Message]) -> None:
    """Hold the results of tools against the calls before them."""
    known: set[str] = set()
    for number, message in enumerate(messages):
        known |= {call["id"] for call in message.more.get("tool_calls", ())}
        if message.role == "tool" and message.more["tool_call_id"] not in known:
            place = f"messages[{number}].tool_call_id"
            said = f"Invalid '{place}': no message before has a call of this id in its 'tool_calls'."
            raise RequestError(said, param=place, reason="invalid_value")


def _message(fields: Fields, value: Any, place: str) -> Message:
    inside = fields.members(place, value)
    inside.required("role")
    role = inside.choice("role", _ROLES)
    name = inside.optional_text("name")
    more: dict[str, Any] = {"name": name} if name else {}
    if role == "assistant":
        for field in _EMPTY_IN_ANSWERS:
            inside.unsupported(field)
        if calls := _calls(inside):
            more["tool_calls"] = calls
    if role == "tool":
        more["tool_call_id"] = inside.text("tool_call_id")
    content = "" if "tool_calls" in more and inside.given("content") is None else _content(inside)
    inside.end()
    return Message(cast("Role", _ROLES[cast("str", role)]), content, more=more)


def _calls(message: Fields) -> list[dict[str, Any]]:
    given = message.given("tool_calls") or []
    if not isinstance(given, list):
        raise message.wrong_type("tool_calls", "an array of objects", given)
    return [_call(message, one, f"tool_calls[{number}]") for number, one in enumerate(given)]


def _call(message: Fields, value: Any, place: str) -> dict[str, Any]:
    call = message.members(place, value)
    identity = call.text("id")
    inside = call.function()
    name = inside.text("name")
    written = inside.required("arguments")
    try:
        arguments = json.loads(written) if isinstance(written, str) else None
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        wrong = inside.name("arguments")
        said = f"Invalid '{wrong}': expected a string of JSON that holds an object."
        raise RequestError(said, param=wrong, reason="invalid_value")
    inside.end()
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


def _content(message: Fields) -> str:
    given = message.required("content")
    if isinstance(given, str):
        return given
    if not isinstance(given, list):
        raise message.wrong_type("content", "a string or an array of parts", given)
    return "".join(_part(message, part, f"content[{number}]") for number, part in enumerate(given))


def _part(message: Fields, value: Any, place: str) -> str:
    part = message.members(place, value)
    part.required("type")
    part.choice("type", ("text",))
    text = part.required("text")
    if not isinstance(text, str):
        raise part.wrong_type("text", "a string", text)
    part.end()
    return text
