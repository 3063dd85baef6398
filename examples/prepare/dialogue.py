"""Conversations with a chatbot, in English, from the package chatterbot-corpus.

Each is a list of messages, as `task.kind: chat` reads them. In most categories the corpus lists several answers to one
opening, of which the first is taken; in two of them people take turns, and these conversations are kept whole.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from examples.prepare.account import Account, run
from examples.prepare.intents import SOURCE, Conversations, read_language, sameness
from sftkeras.handles import resolve

IN_TURNS = ("conversations", "health")


def dialogues(conversations: Conversations) -> Account:
    """Gives each different opening one conversation, so that no prompt has several answers.

    Args:
        conversations: of each category, what was said in turn.
    """
    account, seen = Account("conversations"), set()
    for category, those_of_it in conversations.items():
        for conversation in those_of_it:
            turns = conversation if isinstance(conversation, list) else []
            said = [text for text in turns if isinstance(text, str)]
            if len(said) < max(len(turns), 2):  # a slip in the file, such as a dash too few
                account.left_out["are no list of texts"] += 1
                continue
            if sameness(said[0]) in seen:
                account.left_out["open as an earlier one"] += 1
                continue
            seen.add(sameness(said[0]))
            count = len(said) // 2 * 2 if category in IN_TURNS else 2  # the assistant has the last word
            account.rows.append({"messages": messages(said[:count]), "category": category})
    return account


def messages(turns: Sequence[str]) -> list[dict[str, str]]:
    """Gives the turns of a conversation to user and assistant, who alternate."""
    roles = ("user", "assistant")
    return [{"role": roles[number % 2], "content": text.strip()} for number, text in enumerate(turns)]


def _make() -> dict[str, Account]:
    return {"dialogue.jsonl": dialogues(read_language(resolve(SOURCE) / "english"))}


if __name__ == "__main__":
    sys.exit(run(__doc__, _make))
