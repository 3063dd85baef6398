"""Data of the help desk for a building company: what customers want, and answers out of an entry of its FAQ.

Intents: questions of the FAQ are `building`, openings of conversations with a chatbot `small_talk` (see intents).
Chats: an assistant is given the entry that was found and a customer's question, and answers by the entry. Customers of
validation and test ask in other words than the FAQ (see construction_faq).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from examples.customer_service.answering import prompt_of
from examples.faq_retrieval import Entry
from examples.prepare import construction_faq, intents
from examples.prepare.account import Account, run
from sftkeras.handles import resolve

# Every eighth entry is enough to learn where an answer stands in a prompt, and how it ends.
EVERY = 8


def wants(questions: Iterable[str], openings: Iterable[str]) -> Account:
    """Gives each text its intent.

    Args:
        questions: of the FAQ.
        openings: of conversations with a chatbot.
    """
    account = Account("texts")
    account.rows += [{"text": text, "label": "building"} for text in questions]
    account.rows += [{"text": text, "label": "small_talk"} for text in openings]
    return account


def chats(asked: Iterable[tuple[str, Mapping[str, Any]]]) -> Account:
    """Makes a conversation of each question, with the entry that answers it.

    Args:
        asked: what a customer asks, and the row of the FAQ.
    """
    account = Account("conversations")
    for question, row in asked:
        messages = prompt_of(question, Entry(row["q"], row["a"]))
        account.rows.append({"messages": [*messages, {"role": "assistant", "content": row["a"]}]})
    return account


def _make() -> dict[str, Account]:
    rows = [json.loads(line) for line in resolve(construction_faq.SOURCE).read_text("utf-8").splitlines()]
    by_number = {row["id"]: row for row in rows}
    # What is asked in validation and test is not in training: what is learned is to read an entry, not to know it.
    others = [row for row in rows if row["id"] not in construction_faq.VALIDATION.keys() | construction_faq.TEST.keys()]
    questions = [row["question"] for row in construction_faq.training(rows).rows]
    conversations = intents.read_language(resolve(intents.SOURCE) / "english")
    openings = [row["text"] for row in intents.intents(conversations).rows]

    def rewritten(those: Mapping[str, str]) -> Account:
        return chats((question, by_number[number]) for number, question in those.items())

    return {
        "help-desk-intents.jsonl": wants(questions, openings),
        "help-desk-chats-train.jsonl": chats((row["q"], row) for row in others[::EVERY]),
        "help-desk-chats-validation.jsonl": rewritten(construction_faq.VALIDATION),
        "help-desk-chats-test.jsonl": rewritten(construction_faq.TEST),
    }


if __name__ == "__main__":
    sys.exit(run(__doc__, _make))
