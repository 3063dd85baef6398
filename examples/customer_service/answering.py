"""Answers out of an FAQ: the entry nearest to a question, and words grounded in it, or none. No models, no servers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from examples.faq_retrieval import Entry

SYSTEM = "You answer customers of a building company. Use only the entry of the FAQ that is given."

_WORD = re.compile(r"\w+")

Search = Callable[[str], tuple[float, Entry]]
"""A question → the cosine of the nearest entry, and the entry."""
Write = Callable[[Sequence[dict[str, str]]], str]
"""Messages → the answer of a chat model."""


@dataclass(frozen=True)
class Answer:
    """An answer, and what it rests on.

    Attributes:
        text: what is said; "" where nothing was near enough to the question.
        entry: the nearest of the FAQ.
        cosine: how near it is.
        grounded: the share of the words that a model generated that stand in the entry; None if it was not asked.
        generated: whether `text` is the model's, not the entry's own answer.
    """

    text: str
    entry: Entry
    cosine: float
    grounded: float | None = None
    generated: bool = False


@dataclass(frozen=True)
class Answering:
    """Answers questions.

    Attributes:
        search: finds the entry.
        write: asks the chat model.
        least_cosine: an entry that is less near answers nothing: rather no answer than a wrong one.
        least_grounded: of a text with fewer of its words in the entry nothing is said, but the entry's own answer.
    """

    search: Search
    write: Write
    least_cosine: float
    least_grounded: float

    def __call__(self, question: str) -> Answer:
        """Answers a question, or gives an empty answer."""
        cosine, entry = self.search(question)
        if cosine < self.least_cosine:
            return Answer("", entry, cosine)
        text = self.write(prompt_of(question, entry)).strip()
        grounded = groundedness(text, entry)
        believed = grounded >= self.least_grounded
        return Answer(text if believed else entry.answer, entry, cosine, grounded, believed)


def prompt_of(question: str, entry: Entry) -> list[dict[str, str]]:
    """Returns the messages that ask a chat model to answer by an entry; those of its training are the same."""
    content = f"Entry: {entry.question}\n{entry.answer}\n\nCustomer: {question}"
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": content}]


def groundedness(text: str, entry: Entry) -> float:
    """Returns the share of the words of a text that stand in an entry; 0 for a text without words."""
    known = set(_words(f"{entry.question} {entry.answer}"))
    words = _words(text)
    return sum(word in known for word in words) / len(words) if words else 0.0


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
