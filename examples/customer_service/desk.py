"""Replies of the desk: the rules, without models, servers and terminals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Formatter
from typing import Any

import yaml

from examples.customer_service.masking import masked

Record = Mapping[str, Any]  # a model's answer to one text
PEOPLE = ("person", "PER")  # labels of people's names


@dataclass(frozen=True)
class Manual:
    """Texts of the desk in one language, read from a YAML file.

    Attributes:
        models: the served models that find `intents` and `entities`.
        greeting: how a conversation begins.
        answers: what can be said for each intent. A line may name entities, "{person}"; the first line whose entities
            the customer has named is taken, so put those without any last.
        least_probability: below this an intent is not believed,
        least_score: and below this an entity.
        not_understood: what is said to a text whose intent is not believed: one line after the other.
        hand_over: what is said when these are used up, or when a person is asked for
        person_words: by one of these words.
    """

    models: Mapping[str, str]
    greeting: str
    answers: Mapping[str, Sequence[str]]
    least_probability: float
    least_score: float
    not_understood: Sequence[str]
    hand_over: str
    person_words: Sequence[str]

    @classmethod
    def read(cls, path: Path) -> Manual:
        """Reads a manual."""
        return cls(**yaml.safe_load(path.read_text("utf-8")))


@dataclass(frozen=True)
class Reply:
    """A reply of the desk, and the reason for it.

    Attributes:
        intent: what the customer wants, by the model,
        probability: and how sure it is.
        entities: what the text names, by label.
        understood: whether the intent was believed and the manual has a line for it.
        handed_over: whether a person takes over; the desk says no more.
    """

    said: str
    intent: str
    probability: float
    entities: Mapping[str, str]
    understood: bool
    handed_over: bool


@dataclass
class Desk:
    """One conversation.

    Attributes:
        log: what was said, "customer" and "desk" in turn, without personal data, for the colleague who takes over.
    """

    manual: Manual
    log: list[tuple[str, str]] = field(default_factory=list)
    not_understood: int = 0  # texts in a row

    def reply(self, text: str, intent: Record, found: Sequence[Record]) -> Reply:
        """Answers a text.

        Args:
            text: what the customer says.
            intent: the answer of the intent model: `label` and `probability`.
            found: the entities of the entity model, each with `label`, `score` and `text`.
        """
        entities = {it["label"]: it["text"] for it in reversed(found) if it["score"] >= self.manual.least_score}
        believed = intent["probability"] >= self.manual.least_probability
        line = _line(self.manual.answers.get(intent["label"], ()), entities) if believed else None
        self.not_understood = self.not_understood + 1 if line is None else 0
        asks_for_person = any(word in text.casefold() for word in self.manual.person_words)
        handed_over = asks_for_person or self.not_understood > len(self.manual.not_understood)
        asked_again = "" if handed_over or line else self.manual.not_understood[self.not_understood - 1]
        said = self.manual.hand_over if handed_over else line or asked_again
        names = [it["text"] for it in found if it["label"] in PEOPLE]
        self.log += [("customer", masked(text, names)), ("desk", masked(said, names))]
        return Reply(said, intent["label"], intent["probability"], entities, line is not None, handed_over)


def _line(lines: Sequence[str], entities: Mapping[str, str]) -> str | None:
    """The first line whose entities are all known."""
    for line in lines:
        if all(name in entities for _, name, _, _ in Formatter().parse(line) if name):
            return line.format_map(entities)
    return None
