"""Contents of a conversation behind stand-ins, so that what a template writes itself shows where each of them goes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sftkeras.conversations import Conversation
from sftkeras.text.templates.special_tokens import SpecialTokens

# A stand-in is a number between two characters of the private use area, with a quotation mark: where a template writes
# a content as JSON, it becomes \", which shows how often it does so.
_BEGIN, _END = "\ue000", "\ue001"
STAND_IN = re.compile(rf'{_BEGIN}(\d+)(\\*)"{_END}')

_CONTENTS = ("content", "reasoning_content")


@dataclass(frozen=True)
class Hidden:
    """A conversation behind stand-ins.

    Attributes:
        messages: as templates read them.
        tools: None if there are none.
        texts: what stands behind each stand-in, by its number.
        owners: the message that each is of, -1 for a tool's description.
        keys: the key that each stood under.
    """

    messages: list[dict[str, Any]]
    tools: list[Any] | None
    texts: list[str]
    owners: list[int]
    keys: list[str]

    @cached_property
    def shape(self) -> str:
        """A key that is equal for conversations whose templates write the same around their contents."""
        return json.dumps([self.messages, self.tools, self.owners], ensure_ascii=False)


def values_of(conversation: Conversation) -> tuple[list[dict[str, Any]], list[Any] | None]:
    """Return messages and tools as templates read them."""
    return [message.values() for message in conversation.messages], list(conversation.tools) or None


def hide(conversation: Conversation, special: SpecialTokens, needles: Mapping[str, Sequence[str]]) -> Hidden:
    """Put stand-ins in the place of contents, and of other strings that hold a special token.

    White space at the ends of a text stays, since many templates look at it.

    Args:
        special: the special tokens.
        needles: for roles, what stays of their contents, since the template may look for it.
    """
    hidden = Hidden([], None, [], [], [])

    def stand_in(text: str, owner: int, key: str) -> str:
        core = text.strip()
        if not core:
            return text
        hidden.texts.append(core)
        hidden.owners.append(owner)
        hidden.keys.append(key)
        begin = text.index(core)
        return f'{text[:begin]}{_BEGIN}{len(hidden.texts) - 1}"{_END}{text[begin + len(core) :]}'

    def within(value: Any, owner: int, key: str) -> Any:
        if isinstance(value, str):
            return stand_in(value, owner, key) if special.first_in(value) or _BEGIN in value else value
        if isinstance(value, dict):
            return {name: within(one, owner, key) for name, one in value.items()}
        return [within(one, owner, key) for one in value] if isinstance(value, list) else value

    messages, tools = values_of(conversation)
    for owner, message in enumerate(messages):
        kept = [needle for needle in needles.get(message["role"], ()) if needle in message["content"]]
        hidden.messages.append({})
        for key, value in message.items():
            if key in _CONTENTS:
                parts = re.split(f"({'|'.join(map(re.escape, kept))})", value) if kept else [value]
                value = "".join(part if part in kept else stand_in(part, owner, key) for part in parts)
            elif key != "role":
                value = within(value, owner, key)
            hidden.messages[-1][key] = value
    return Hidden(hidden.messages, within(tools, -1, "tools"), hidden.texts, hidden.owners, hidden.keys)


def as_json(text: str, times: int) -> str:
    """Return a text as it stands inside of JSON that is inside of JSON, and so on."""
    for _ in range(times):
        text = json.dumps(text, ensure_ascii=False)[1:-1]
    return text
