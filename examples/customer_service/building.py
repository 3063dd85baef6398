"""The desk of a building company: what a customer wants, then the FAQ, then words grounded in it, or a colleague."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from examples.customer_service.answering import Answer, Answering
from examples.customer_service.masking import masked
from examples.faq_retrieval import Entry, Faq
from sftkeras.serving.client import Client

# Chosen by `python -m examples.customer_service.measure`.
LEAST_COSINE = 0.727
LEAST_GROUNDED = 0.8

GREETING = "Good day! What would you like to know about building, renovating or our work?"
SMALL_TALK = "I only know about building. What would you like to know?"
NOT_KNOWN = "I find nothing on that in our FAQ. A colleague will read this and get back to you."
HAND_OVER = "I pass you on to a colleague, who reads along from here."
PERSON_WORDS = ("a person", "a human", "somebody real", "your boss")

Wants = Callable[[str], Mapping[str, Any]]
"""A text → the record of the intent model: `label` and `probability`."""


@dataclass(frozen=True)
class Reply:
    """A reply of the desk.

    Attributes:
        said: the words.
        answer: what they rest on; None if the FAQ was not searched.
        handed_over: whether a colleague has to go on.
    """

    said: str
    answer: Answer | None = None
    handed_over: bool = False


@dataclass
class BuildingDesk:
    """One conversation.

    Attributes:
        wants: finds the intent.
        answering: answers out of the FAQ.
        log: what was said, "customer" and "desk" in turn, with mail addresses and long numbers masked.
    """

    wants: Wants
    answering: Answering
    log: list[tuple[str, str]] = field(default_factory=list)

    def reply(self, text: str) -> Reply:
        """Answers a text."""
        reply = self._reply(text)
        self.log += [("customer", masked(text)), ("desk", masked(reply.said))]
        return reply

    def _reply(self, text: str) -> Reply:
        if any(words in text.casefold() for words in PERSON_WORDS):
            return Reply(HAND_OVER, handed_over=True)
        if self.wants(text)["label"] == "small_talk":
            return Reply(SMALL_TALK)
        answer = self.answering(text)
        return Reply(answer.text or NOT_KNOWN, answer, handed_over=not answer.text)


def read_entries(file: Path) -> list[Entry]:
    """Reads questions and answers from JSON Lines."""
    rows = map(json.loads, file.read_text("utf-8").splitlines())
    return [Entry(row["question"], row["answer"]) for row in rows]


class Models:
    """The three served models. Use them in a `with` statement.

    Args:
        server: the gRPC address of the model server.
    """

    def __init__(self, server: str) -> None:
        self._intents, self._faq, self._chat = (
            Client.grpc(server, model=f"desk-{name}", timeout=300.0) for name in ("intent", "faq", "answer")
        )

    def __enter__(self) -> Models:
        return self

    def __exit__(self, *error: object) -> None:
        for client in (self._intents, self._faq, self._chat):
            client.close()

    def ask_each(self) -> None:
        """Asks each of the models what it takes, so that one that is not there is an error now."""
        for client in (self._intents, self._faq, self._chat):
            client.contract()

    def wants(self, text: str) -> Mapping[str, Any]:
        """Finds the intent of a text."""
        return self._intents.answer([text])[0]

    def faq(self, entries: Sequence[Entry]) -> Faq:
        """Makes entries ready to be searched."""
        return Faq.of(entries, self._faq)

    def vectors(self, questions: Sequence[str]) -> np.ndarray:
        """Returns the vectors of questions, [questions, size]."""
        return self._faq.answer_arrays(questions)["vector"]

    def write(self, *conversations: Sequence[Mapping[str, str]]) -> list[str]:
        """Returns the answers to conversations of as many messages each."""
        turns = {
            f"{key}s": [[one[key] for one in messages] for messages in conversations] for key in ("role", "content")
        }
        return [text.decode() for text in self._chat.predict(turns, "chat")["text"]]

    def answering(
        self, entries: Sequence[Entry], least_cosine: float = LEAST_COSINE, least_grounded: float = LEAST_GROUNDED
    ) -> Answering:
        """Returns what answers out of some entries."""
        faq = self.faq(entries)

        def search(question: str) -> tuple[float, Entry]:
            return faq.nearest(self.vectors([question])[0], most=1)[0]

        return Answering(search, lambda messages: self.write(messages)[0], least_cosine, least_grounded)
