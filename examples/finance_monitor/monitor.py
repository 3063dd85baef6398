"""Finds the companies that a text names, and when to alert about one. Knows no model, no server and no terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Rule:
    """When an alert is raised, and when it ends.

    Attributes:
        window: how many of a company's latest texts are looked at.
        least: how many texts there must be before anything is said.
        limit: an alert is raised once the share of negative texts is above this,
        end: and ends once it is below this. Being lower than `limit`, it keeps an alert from coming and going.
    """

    window: int = 30
    least: int = 20
    limit: float = 0.7
    end: float = 0.5


@dataclass
class Company:
    """A company that is watched, and how its latest texts were."""

    name: str
    pattern: re.Pattern[str]
    recent: tuple[bool, ...] = ()  # whether negative, the oldest first; never changed in place, since others look on
    texts: int = 0
    alarming: bool = False

    @property
    def negatives(self) -> int:
        """Negative ones among the latest texts."""
        return sum(self.recent)

    @property
    def share(self) -> float:
        """Share of negative ones among the latest texts; 0 before the first."""
        return self.negatives / max(len(self.recent), 1)


@dataclass(frozen=True)
class Alert:
    """An alert begins or ends.

    Attributes:
        begins: False when it is over.
        negatives: negative ones among the latest texts.
        texts: how many the latest texts are.
    """

    company: str
    begins: bool
    negatives: int
    texts: int


@dataclass
class Monitor:
    """Counts, by company, how many of the latest texts were negative.

    Args:
        watchlist: the words by which each company is known.
        rule: when to raise an alert.
    """

    watchlist: Mapping[str, Sequence[str]]
    rule: Rule = Rule()
    companies: dict[str, Company] = field(init=False)

    def __post_init__(self) -> None:
        self.companies = {name: Company(name, _pattern(words)) for name, words in self.watchlist.items()}

    def named_in(self, text: str) -> list[Company]:
        """The companies that a text names."""
        return [company for company in self.companies.values() if company.pattern.search(text)]

    def count(self, company: Company, negative: bool) -> Alert | None:
        """Takes note of one more text; returns an alert that begins or ends by it."""
        company.recent = (*company.recent, negative)[-self.rule.window :]
        company.texts += 1
        enough = len(company.recent) >= self.rule.least
        alarming = company.share > self.rule.limit if not company.alarming else company.share >= self.rule.end
        if not enough or alarming == company.alarming:
            return None
        company.alarming = alarming
        return Alert(company.name, alarming, company.negatives, len(company.recent))


def _pattern(words: Sequence[str]) -> re.Pattern[str]:
    """Any of the words, in any case. A Latin one stands alone ("hp" is not in "php"), a Chinese one anywhere."""
    return re.compile("|".join(_edge(word[0], "<!") + re.escape(word) + _edge(word[-1], "!") for word in words), re.I)


def _edge(letter: str, side: str) -> str:
    return f"(?{side}[A-Za-z0-9])" if letter.isascii() and letter.isalnum() else ""
