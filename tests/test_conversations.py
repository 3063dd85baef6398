"""A conversation is what its JSON says, and loses whole turns from its beginning."""

from __future__ import annotations

import pytest

from sftkeras.conversations import Conversation, Message

CALL = {"type": "function", "function": {"name": "weather", "arguments": {"city": "Rome"}}}
LONG = Conversation(
    (
        Message("system", "Be kind."),
        Message("user", "one"),
        Message("assistant", "", more={"tool_calls": [CALL]}),
        Message("tool", "sun"),
        Message("assistant", "1", learned=False),
        Message("user", "two"),
        Message("assistant", "2"),
    ),
    ({"type": "function", "function": {"name": "weather"}},),
)


def said(conversation: Conversation) -> list[str]:
    return [message.content for message in conversation.messages]


def test_canonical_json_reads_back_as_the_same_conversation() -> None:
    assert Conversation.from_json(LONG.to_json()) == LONG
    assert LONG.answers == (2, 4, 6)
    assert said(LONG.prompt)[-1] == "two"
    assert LONG.last_answer == "2"


def test_turns_are_left_out_whole_and_the_system_message_stays() -> None:
    assert LONG.turns == 2
    assert LONG.without_turns(0) is LONG
    assert said(LONG.without_turns(1)) == ["Be kind.", "two", "2"]
    assert LONG.without_turns(1).tools == LONG.tools


def test_what_the_assistant_says_first_is_a_turn() -> None:
    greeting = Conversation((Message("assistant", "Hello"), Message("user", "Hi"), Message("assistant", "Yes?")))
    assert greeting.turns == 2
    assert said(greeting.without_turns(1)) == ["Hi", "Yes?"]


@pytest.mark.parametrize("kept", [LONG, LONG.without_turns(1)])
def test_a_default_system_message_changes_none_that_there_is(kept: Conversation) -> None:
    assert kept.with_system("Be brief.") is kept
    bare = Conversation(kept.messages[1:])
    assert said(bare.with_system("Be brief.")) == ["Be brief.", *said(bare)]
