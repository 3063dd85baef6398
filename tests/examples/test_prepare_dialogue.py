from __future__ import annotations

from examples.prepare.dialogue import dialogues


def said(*contents: str) -> list[dict[str, str]]:
    return [{"role": "assistant" if number % 2 else "user", "content": text} for number, text in enumerate(contents)]


def test_the_first_of_several_answers_is_taken_and_turns_are_kept():
    account = dialogues(
        {
            "ai": [["What is AI?", "A branch. ", "A field."], ["what is ai", "Software."]],
            "health": [["How are you?", "Not well", "Why?", "A fever", "Get well soon"]],
        }
    )
    assert account.rows == [
        {"messages": said("What is AI?", "A branch."), "category": "ai"},
        {"messages": said("How are you?", "Not well", "Why?", "A fever"), "category": "health"},
    ]
    assert account.left_out == {"open as an earlier one": 1}


def test_what_is_no_conversation_is_counted():
    account = dialogues({"ai": ["no dash", ["alone"], ["1", 2], ["Hi", "Hello"]]})
    assert account.rows == [{"messages": said("Hi", "Hello"), "category": "ai"}]
    assert account.left_out == {"are no list of texts": 3}
