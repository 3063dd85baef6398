"""Questions with their answers, in English, from the package chatterbot-corpus.

The opening of a conversation is the question, the first reply its answer. Categories of small talk are left out: what
is replied to "you are cruel" could be replied to anything, so it cannot be found.
"""

from __future__ import annotations

import sys

from examples.prepare.account import Account, run
from examples.prepare.intents import SOURCE, Conversations, openings, read_language, sameness
from sftkeras.handles import resolve

SMALL_TALK = ("botprofile", "conversations", "emotion", "gossip", "greetings", "humor", "psychology")


def answered(conversations: Conversations) -> Account:
    """Gives each different question one answer, and no two questions the same: training takes each for its own.

    Args:
        conversations: of each category, what was said in turn.
    """
    account = Account("conversations")
    questions, answers = set(), set()
    for question, answer, category in openings(conversations, account):
        if category in SMALL_TALK:
            account.left_out["are small talk"] += 1
        elif sameness(question) in questions:
            account.left_out["ask as an earlier one"] += 1
        elif sameness(answer) in answers:
            account.left_out["are answered as an earlier one"] += 1
        else:
            questions.add(sameness(question))
            answers.add(sameness(answer))
            account.rows.append({"question": question, "answer": answer, "category": category})
    return account


def _make() -> dict[str, Account]:
    return {"faq.jsonl": answered(read_language(resolve(SOURCE) / "english"))}


if __name__ == "__main__":
    sys.exit(run(__doc__, _make))
