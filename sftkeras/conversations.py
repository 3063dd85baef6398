"""A conversation: messages between a user, an assistant and its tools, and the canonical JSON that rows are kept as.

Imports nothing but the standard library: data, templates, evaluation and servers share it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

Role = Literal["system", "user", "assistant", "tool"]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True)
class Message:
    """One message of a conversation.

    Attributes:
        role: who says it.
        content: what is said; empty where an assistant only calls tools.
        learned: whether it is learned, if it is the assistant's; false for a `weight` of 0.
        more: what templates may read beside these, by the names that they use: `name`, `tool_call_id`,
            `reasoning_content`, and `tool_calls` as a list of {"type": "function", "function": {"name": …,
            "arguments": {…}}}.
    """

    role: Role
    content: str
    learned: bool = True
    more: Mapping[str, Any] = field(default_factory=dict)

    def values(self) -> dict[str, Any]:
        """Return the message as templates read it."""
        return {"role": self.role, "content": self.content, **self.more}


@dataclass(frozen=True)
class Conversation:
    """Messages in their order, and the tools that the assistant may call.

    Attributes:
        messages: at most the first is the system's.
        tools: JSON schemas of functions, as OpenAI's API takes them.
    """

    messages: tuple[Message, ...]
    tools: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def from_json(cls, text: str) -> Conversation:
        """Read what `to_json` wrote."""
        values = json.loads(text)
        return cls(tuple(map(_message, values["messages"])), tuple(values.get("tools", ())))

    def to_json(self) -> str:
        """Write the conversation as canonical JSON: equal conversations give equal strings."""
        messages = [message.values() | ({} if message.learned else {"weight": 0}) for message in self.messages]
        values = {"messages": messages} | ({"tools": list(self.tools)} if self.tools else {})
        return json.dumps(values, ensure_ascii=False, separators=(",", ":"))

    @property
    def answers(self) -> tuple[int, ...]:
        """The places of the assistant's messages."""
        return tuple(place for place, message in enumerate(self.messages) if message.role == "assistant")

    @property
    def prompt(self) -> Conversation:
        """Messages before the last answer: from them the model generates one."""
        return replace(self, messages=self.messages[: self.answers[-1]])

    @property
    def last_answer(self) -> str:
        """Last message of the assistant."""
        return self.messages[self.answers[-1]].content

    def with_system(self, content: str) -> Conversation:
        """Return the conversation with a system message, unless it has one."""
        if self.messages[0].role == "system":
            return self
        return replace(self, messages=(Message("system", content), *self.messages))

    @property
    def turns(self) -> int:
        """Number of turns: a turn begins with a message of the user and goes on to the next."""
        return len(self._turn_places())

    def without_turns(self, count: int) -> Conversation:
        """Return the conversation without its first turns; a system message stays.

        Args:
            count: how many turns to leave out, fewer than there are.
        """
        if not count:
            return self
        system = self.messages[:1] if self.messages[0].role == "system" else ()
        return replace(self, messages=(*system, *self.messages[self._turn_places()[count] :]))

    def _turn_places(self) -> list[int]:
        places = [place for place, message in enumerate(self.messages) if message.role == "user"]
        begin = int(self.messages[0].role == "system")
        return places if places[:1] == [begin] else [begin, *places]


def _message(values: dict[str, Any]) -> Message:
    learned = values.pop("weight", 1) != 0
    return Message(values.pop("role"), values.pop("content"), learned, values)
