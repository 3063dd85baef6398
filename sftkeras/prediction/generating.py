"""Requests to a model that generates: conversations and plain texts, with a value of each option for each row.

Imports no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sftkeras.config import GenerateConfig
from sftkeras.conversations import Conversation, Message
from sftkeras.errors import SFTError

OUTPUTS = ("text", "ended", "prompt_tokens", "new_tokens")  # those of `serving_default`, in `chat` and `generate` too

Options = Mapping[str, Sequence[Any]]
"""A value for each row, by the names of `generate`'s inputs; those that are left out have their defaults."""

_SHOWN = 40  # characters of a text in messages


def options_for(config: GenerateConfig, rows: Sequence[int]) -> dict[str, list[Any]]:
    """Returns the options that are set, for rows of these numbers: each has its own seed, whatever the batch."""
    given = {name: value for name, value in asdict(config).items() if value is not None and value != []}
    options = {name: [value] * len(rows) for name, value in given.items()}
    if "seed" in given or given.get("temperature"):
        options["seed"] = [given.get("seed", 0) + row for row in rows]
    return options


def questions(texts: Sequence[str]) -> list[Conversation]:
    """Returns conversations of one message of a user each."""
    return [Conversation((Message("user", text),)) for text in texts]


def turns_of(conversations: Sequence[Conversation], model: str) -> dict[str, list[list[str]]]:
    """Returns conversations as inputs of `chat`: roles and contents, "" behind a conversation's last.

    Raises:
        SFTError: SFT659 for one with tools.
    """
    for one in conversations:
        if one.tools or any(message.role == "tool" or "tool_calls" in message.more for message in one.messages):
            problem = "it has tools. Only a local export renders them: give its folder as --model"
            raise _not_taken(one, model, problem)
    most = max(len(one.messages) for one in conversations)

    def padded(values: list[str]) -> list[str]:
        return values + [""] * (most - len(values))

    return {
        "roles": [padded([message.role for message in one.messages]) for one in conversations],
        "contents": [padded([message.content for message in one.messages]) for one in conversations],
    }


def renderer(facts: Mapping[str, Any], model: str) -> Callable[[Conversation], str]:
    """Returns what makes marked prompts of conversations, by the chat template in generation.json.

    Args:
        facts: what stands there under `chat`.
        model: what messages call it.
    """
    from sftkeras.text.templates import ChatTemplate

    template, system = ChatTemplate.restored(facts), facts["system"]

    def rendered(conversation: Conversation) -> str:
        known = conversation if system is None else conversation.with_system(system)
        try:
            return template.render(known, generation=True)
        except SFTError as error:
            raise _not_taken(conversation, model, str(error.details["problem"])) from error

    return rendered


def _not_taken(conversation: Conversation, model: str, problem: str) -> SFTError:
    text = conversation.messages[-1].content
    shown = repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")
    return SFTError("SFT659", model=model, text=shown, problem=problem)
