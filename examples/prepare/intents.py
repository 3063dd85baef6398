"""Sentences to a chatbot, by intent, in English and in Chinese, from the package chatterbot-corpus.

The corpus is conversations in files, one for each category: what a person says and the answers to it. The opening of a
conversation is the text, the category is its intent, and the first answer that the corpus has for it stands beside it.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import yaml

from examples.prepare.account import Account, run
from sftkeras.handles import resolve

SOURCE = (
    "pypi:chatterbot-corpus==1.3.3/chatterbot_corpus/data"
    "#sha256=86de5300afb9a80826386339d3bec79c0a72eb0358abb8327e2ecef5ae0ce154"
)
FILES = {"english": "intent-en.jsonl", "chinese": "intent-zh.jsonl"}
# The English ones in two months: first all intents but three, then these three and few sentences of the others.
MONTHS = ("intent-first.jsonl", "intent-next.jsonl")
NEW_INTENTS = ("food", "money", "sports")
ONE_IN = 10
# An intent with fewer different openings than this can be neither learned nor evaluated.
LEAST = 10

Conversations = Mapping[str, Iterable[object]]


def intents(conversations: Conversations, least: int = LEAST) -> Account:
    """Gives each different opening its intent; one that stands in several categories has none.

    Args:
        conversations: of each category, what was said in turn.
        least: intents with fewer openings are left out.
    """
    account, seen = Account("conversations"), set()
    opened = list(openings(conversations, account))
    categories: dict[str, set[str]] = {}
    for text, _, category in opened:
        categories.setdefault(sameness(text), set()).add(category)
    sizes = Counter(next(iter(found)) for found in categories.values() if len(found) == 1)
    for text, answer, category in opened:
        key = sameness(text)
        if len(categories[key]) > 1:
            account.left_out["open alike in several categories"] += 1
        elif sizes[category] < least:
            account.left_out[f"are of a category with fewer than {least} different openings"] += 1
        elif key in seen:
            account.left_out["open as an earlier one"] += 1
        else:
            seen.add(key)
            account.rows.append({"text": text, "label": category, "answer": answer})
    small = [f"{category} {sizes[category]}" for category in conversations if sizes[category] < least]
    account.notes = [f"too small: {', '.join(small)}"] if small else []
    return account


def in_two_months(account: Account) -> tuple[Account, Account]:
    """Divides sentences: those with new intents are in the second month, and one in ten of the others."""
    first, second = Account("sentences"), Account("sentences")
    for number, row in enumerate(account.rows):
        later = row["label"] in NEW_INTENTS or number % ONE_IN == 0
        (second if later else first).rows.append(row)
    return first, second


def read_language(folder: Path) -> dict[str, list[object]]:
    """Reads the files of one language; the name of a file is the category."""
    contents = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in sorted(folder.glob("*.yml"))}
    return {category: content["conversations"] for category, content in contents.items()}


def openings(conversations: Conversations, account: Account) -> Iterator[tuple[str, str, str]]:
    """Yields opening, first answer and category of each conversation; the account counts those that are none."""
    for category, those_of_it in conversations.items():
        for conversation in those_of_it:
            match conversation:
                case [str(opening), str(answer), *_]:
                    yield " ".join(opening.split()), answer.strip(), category
                case _:  # a slip in the file, such as a dash too few
                    account.left_out["are no list of texts"] += 1


def sameness(text: str) -> str:
    """Key of texts that count as the same: all but case, spaces and the mark at the end."""
    return text.casefold().rstrip(".!?。！？ ")


def _make() -> dict[str, Account]:
    folder = resolve(SOURCE)
    made = {file: intents(read_language(folder / language)) for language, file in FILES.items()}
    return {**made, **dict(zip(MONTHS, in_two_months(made[FILES["english"]]), strict=True))}


if __name__ == "__main__":
    sys.exit(run(__doc__, _make))
