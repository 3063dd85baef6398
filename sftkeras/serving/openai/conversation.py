"""The messages of a chat request: OpenAI's JSON to a conversation."""

from __future__ import annotations

from typing import Any, cast

from sftkeras.conversations import Conversation, Message, Role
from sftkeras.serving.openai.errors import RequestError
from sftkeras.serving.openai.fields import Fields

_MOST_MESSAGES = 2048

# OpenAI's later models call the system's messages the developer's.
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
# What the official client sends back of an answer that it got.
_EMPTY_IN_ANSWERS = ("refusal", "annotations", "audio", "function_call", "tool_calls", "reasoning_content")


def parse_messages(fields: Fields) -> Conversation:
    """Read the messages of a request.

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
    return Conversation(messages)


def _message(fields: Fields, value: Any, place: str) -> Message:
    if not isinstance(value, dict):
        raise fields.wrong_type(place, "an object", value)
    inside = Fields(value, f"{place}.")
    inside.required("role")
    role = inside.choice("role", _ROLES)
    content = _content(inside)
    name = inside.optional_text("name")
    if role == "assistant":
        for field in _EMPTY_IN_ANSWERS:
            inside.unsupported(field)
    inside.end()
    return Message(cast("Role", _ROLES[cast("str", role)]), content, more={"name": name} if name else {})


def _content(message: Fields) -> str:
    given = message.required("content")
    if isinstance(given, str):
        return given
    if not isinstance(given, list):
        raise message.wrong_type("content", "a string or an array of parts", given)
    return "".join(_part(message, part, f"content[{number}]") for number, part in enumerate(given))


def _part(message: Fields, value: Any, place: str) -> str:
    if not isinstance(value, dict):
        raise message.wrong_type(place, "an object", value)
    part = Fields(value, f"{message.name(place)}.")
    part.required("type")
    part.choice("type", ("text",))
    text = part.required("text")
    if not isinstance(text, str):
        raise part.wrong_type("text", "a string", text)
    part.end()
    return text
