"""The strings of special tokens in what a template writes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sftkeras.text import marks


class SpecialTokens:
    """Finds strings of special tokens: the leftmost first, of those that begin at one place the longest.

    Args:
        strings: of all tokens that a template may write as one. White space alone is none: it joins the text around.
    """

    def __init__(self, strings: Iterable[str]) -> None:
        self.strings = tuple(sorted({one for one in strings if one.strip()}, key=lambda one: (-len(one), one)))
        self._pattern = re.compile("|".join(map(re.escape, self.strings)) or "(?!)")

    def marked(self, text: str) -> str:
        """Return what a template writes with each special token marked."""
        return self._pattern.sub(lambda found: marks.special(found[0]), text)

    def divided(self, text: str) -> str:
        """Return a text in which a mark of nothing divides each special token, which so is none."""
        return self._pattern.sub(lambda found: found[0][:1] + marks.special("") + found[0][1:], text)

    def first_in(self, text: str) -> tuple[int, int] | None:
        """Return where the first special token begins and ends; None if there is none."""
        found = self._pattern.search(text)
        return found.span() if found else None

    def last_in(self, text: str) -> str | None:
        """Return the last special token; None if there is none."""
        found = self._pattern.findall(text)
        return found[-1] if found else None

    def all_in(self, text: str) -> list[str]:
        """Return all special tokens in their order."""
        return self._pattern.findall(text)
