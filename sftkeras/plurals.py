"""Numbers with their nouns."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Returns a number with its noun: `1 text`, `1,200 texts`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
