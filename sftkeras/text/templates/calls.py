"""Calls of tools as a template takes them: some read what an assistant says only as none where it calls, or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sftkeras.text.templates.jinja import RefusedError

Messages = list[dict[str, Any]]
Render = Callable[..., str]

_NAME, _VALUE = "zq7name", "zq7value"


@dataclass(frozen=True)
class CallForm:
    """Form in which messages that call tools are given to a template.

    Attributes:
        none: an assistant that only calls says none, instead of "".
        as_json: arguments are a string of JSON, instead of an object.
    """

    none: bool = False
    as_json: bool = False

    def given(self, messages: Messages) -> Messages:
        """Return messages in this form."""
        return [self._given(message) if message.get("tool_calls") else message for message in messages]

    def _given(self, message: dict[str, Any]) -> dict[str, Any]:
        given = {**message, "content": None} if self.none and not message["content"] else message
        return {**given, "tool_calls": list(map(_with_json, given["tool_calls"]))} if self.as_json else given


def _with_json(call: dict[str, Any]) -> dict[str, Any]:
    function = call["function"]
    arguments = json.dumps(function["arguments"], ensure_ascii=False)
    return {**call, "function": {**function, "arguments": arguments}}


def call_form(render: Render) -> CallForm:
    """Return the form in which a template writes a call that stands alone: that of `Message`, if it does or none does.

    DeepSeek-V3's, say, leaves out calls beside anything that is not none, and takes arguments as JSON alone.
    """
    call = {"type": "function", "id": "call00000", "function": {"name": _NAME, "arguments": {"key": _VALUE}}}
    messages: Messages = [
        {"role": "user", "content": "question"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "result", "tool_call_id": "call00000"},
        {"role": "assistant", "content": "answer"},
    ]
    for form in (CallForm(as_json=as_json, none=none) for as_json in (False, True) for none in (False, True)):
        try:
            text = render(form.given(messages), None)
        except RefusedError:
            continue
        if _NAME in text and _VALUE in text:
            return form
    return CallForm()


def dropped_calls(render: Render, messages: Sequence[dict[str, Any]], tools: list[Any] | None) -> tuple[int, ...]:
    """Return the places of messages of whose calls a template writes not every one.

    Args:
        render: the template.
        messages: as it takes them.
        tools: None if there are none.
    """
    probed: Messages = []
    names: dict[str, int] = {}
    for place, message in enumerate(messages):
        calls = []
        for call in message.get("tool_calls") or ():
            names[name := f"{_NAME}{len(names)}_"] = place
            calls.append({**call, "function": {**call["function"], "name": name}})
        probed.append({**message, "tool_calls": calls} if calls else message)
    if not names:
        return ()
    try:
        text = render(probed, tools)
    except RefusedError:  # of a template that knows its tools by their names
        return ()
    return tuple(dict.fromkeys(place for name, place in names.items() if name not in text))
