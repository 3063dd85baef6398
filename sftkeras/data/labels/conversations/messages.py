"""Messages as files write them to those of a conversation, and what may be wrong with them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sftkeras.conversations import ROLES, Conversation, Message, Role
from sftkeras.data.checks.findings import Fault
from sftkeras.data.formats.cells import is_missing, shown, zero_or_one
from sftkeras.errors import did_you_mean

_OTHER_NAMES: dict[str, Role] = {
    **{name: name for name in ROLES},
    **dict.fromkeys(("developer",), "system"),
    **dict.fromkeys(("human",), "user"),
    **dict.fromkeys(("gpt", "chatgpt", "bot", "model", "function_call"), "assistant"),
    **dict.fromkeys(("function", "observation", "ipython"), "tool"),
}

_READ = ("name", "tool_call_id", "reasoning_content")  # keys that templates read beside role, content and tool_calls
_KEYS = {"role", "from", "content", "value", "weight", "tool_calls", "function_call", *_READ}

_CALL = 'such as {"name": "weather", "arguments": {"city": "Rome"}}'


class _FaultyError(Exception):
    """A row whose fault was found."""

    def __init__(self, code: str, **details: str) -> None:
        self.fault = Fault(code, details)


def read_conversation(messages: Sequence[Any], tools: Any, *, drop_none: bool) -> Conversation | Fault:
    """Makes a conversation of a list of messages as a file has them.

    Args:
        messages: with `role` and `content`, or `from` and `value`.
        tools: the list of tools, or what stands for none.
        drop_none: whether None in objects means that the key is not there, as in tables of Arrow.

    Returns:
        The conversation, or a fault: SFT262 (malformed), SFT263 (unknown role), SFT264 (empty), SFT272 (no answer),
        SFT273 (a tool's result without its call).
    """
    try:
        read = tuple(_message(one, number, drop_none) for number, one in enumerate(messages, start=1))
        _check(read)
        _check_answers(read)
        return Conversation(read, tuple(_tools(tools, drop_none)))
    except _FaultyError as error:
        return error.fault


def read_asked(messages: Sequence[Any], tools: Any, *, drop_none: bool) -> Conversation | Fault:
    """Makes a conversation of what stands before the last answer, or of all messages if the last is no answer.

    Returns:
        The conversation, or a fault as of `read_conversation`; SFT262 if nothing is asked.
    """
    try:
        read = [_message(one, number, drop_none) for number, one in enumerate(messages, start=1)]
        if read and read[-1].role == "assistant":
            read.pop()
        _check(read)
        if all(message.role == "system" for message in read):
            raise _FaultyError("SFT262", problem="no message asks anything")
        return Conversation(tuple(read), tuple(_tools(tools, drop_none)))
    except _FaultyError as error:
        return error.fault


def unread_keys(messages: Sequence[Any]) -> set[str]:
    """Returns the keys of messages that nothing reads."""
    return {key for one in messages if isinstance(one, dict) for key in one.keys() - _KEYS if one[key] is not None}


def _message(value: Any, number: int, drop_none: bool) -> Message:
    if not isinstance(value, dict):
        raise _FaultyError("SFT262", problem=f"message {number}, {shown(value)}, is no object with role and content")
    named = value.get("role", value.get("from"))
    if not isinstance(named, str) or named not in _OTHER_NAMES:
        known = ", ".join(ROLES)
        suggestion = did_you_mean(named.lower(), _OTHER_NAMES) if isinstance(named, str) else ""
        raise _FaultyError("SFT263", number=str(number), role=shown(named), known=known, suggestion=suggestion)
    role = _OTHER_NAMES[named]
    calls = value.get("tool_calls")
    content = _content(value.get("content", value.get("value")), number)
    if not is_missing(value.get("function_call")):  # OpenAI's older form
        calls = [value["function_call"]]
    if named == "function_call":  # ShareGPT's
        calls, content = _json(content, f"message {number}, a function_call,"), ""
        calls = calls if isinstance(calls, list) else [calls]
    more: dict[str, Any] = {key: value[key] for key in _READ if not is_missing(value.get(key))}
    if calls:
        more["tool_calls"] = [
            _call(call, number, drop_none) for call in _list(calls, f"tool_calls of message {number}")
        ]
    return Message(role, content, _weight(value.get("weight"), number), more)


def _content(value: Any, number: int) -> str:
    """The text of a message, which OpenAI's format also writes as a list of parts."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in value):
        return "".join(part["text"] for part in value)
    problem = f"the content of message {number}, {shown(value)}, is no text. Images and sounds cannot be learned"
    raise _FaultyError("SFT262", problem=problem)


def _weight(value: Any, number: int) -> bool:
    if is_missing(value):
        return True
    learned = zero_or_one(value)
    if learned is None:
        raise _FaultyError("SFT262", problem=f"the weight of message {number}, {shown(value)}, is neither 0 nor 1")
    return learned


def _call(value: Any, number: int, drop_none: bool) -> dict[str, Any]:
    """A call in OpenAI's form; arguments as an object, as templates expect them."""
    function = value.get("function", value) if isinstance(value, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise _FaultyError("SFT262", problem=f"{shown(value)} in message {number} is no call of a tool, {_CALL}")
    arguments = function.get("arguments", function.get("parameters", {}))
    if isinstance(arguments, str) and arguments.strip():
        arguments = _json(arguments, f"the arguments in message {number}")
    arguments = _without_none(arguments or {}) if drop_none else arguments or {}
    named = {"id": value["id"]} if isinstance(value.get("id"), str) else {}
    return {"type": "function", **named, "function": {"name": function["name"], "arguments": arguments}}


def _tools(value: Any, drop_none: bool) -> Iterator[dict[str, Any]]:
    if is_missing(value) or value == []:
        return
    for tool in _list(value, "column tools"):
        if not isinstance(tool, dict):
            raise _FaultyError("SFT262", problem=f"{shown(tool)} in column tools is no JSON schema of a function")
        yield _without_none(tool) if drop_none else tool


def _list(value: Any, where: str) -> list[Any]:
    value = _json(value, where) if isinstance(value, str) else value
    if not isinstance(value, list):
        raise _FaultyError("SFT262", problem=f"{shown(value)} in {where} is no list")
    return value


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _FaultyError("SFT262", problem=f"{where} {shown(text)} not valid JSON ({error})") from None


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(one) for key, one in value.items() if one is not None}
    return [_without_none(one) for one in value] if isinstance(value, list) else value


def _check(messages: Sequence[Message]) -> None:
    """Finds what no template can make good."""
    open_calls: list[str | None] = []
    for number, message in enumerate(messages, start=1):
        empty = not message.content.strip() and "tool_calls" not in message.more
        if empty and message.role in ("user", "assistant"):
            raise _FaultyError("SFT264", number=str(number), role=message.role)
        if message.role == "system" and number > 1:
            raise _FaultyError("SFT262", problem=f"message {number} is the system's, which only the first may be")
        if message.role == "tool":
            _answer_call(message, number, open_calls)
        else:
            open_calls = [call.get("id") for call in message.more.get("tool_calls", ())]


def _check_answers(messages: Sequence[Message]) -> None:
    """Finds that there is nothing to learn."""
    if not any(message.role == "assistant" for message in messages):
        raise _FaultyError("SFT272", problem="no message is the assistant's")
    if not any(message.learned for message in messages if message.role == "assistant"):
        raise _FaultyError("SFT272", problem="every message of the assistant has weight 0")


def _answer_call(message: Message, number: int, open_calls: list[str | None]) -> None:
    """Takes the call that a tool's message answers out of those that are open."""
    if not open_calls:
        raise _FaultyError("SFT273", number=str(number), problem="no call before it is open")
    wanted = message.more.get("tool_call_id")
    if wanted is None or wanted not in open_calls:
        if wanted is not None and None not in open_calls:
            raise _FaultyError("SFT273", number=str(number), problem=f"no open call before it has the id {wanted}")
        wanted = open_calls[0] if wanted is None else None
    open_calls.remove(wanted)
