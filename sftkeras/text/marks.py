"""Marked text: a rendered conversation as one string that says which parts are special tokens and which are learned.

Four of Unicode's noncharacters, which no text may contain, are the marks. So a special token that a user writes, such
as "<|im_end|>", stays ordinary text, and the same string serves training, evaluation and a served graph. Imports
nothing.
"""

from __future__ import annotations

SPECIAL, SPECIAL_END = "\ufdd0", "\ufdd1"  # around the string of a special token, which becomes one number
LEARNED, LEARNED_END = "\ufdd2", "\ufdd3"  # around what the model learns to write; special tokens may be inside

MARKS = (SPECIAL, SPECIAL_END, LEARNED, LEARNED_END)


def special(token: str) -> str:
    """Return the mark of a special token.

    Args:
        token: its string, such as "<|im_end|>".
    """
    return f"{SPECIAL}{token}{SPECIAL_END}"


def learned(marked: str) -> str:
    """Return marked text with the mark that the model learns to write it."""
    return f"{LEARNED}{marked}{LEARNED_END}"


def ordinary(text: str) -> str:
    """Return a text of the user's as marked text: it has no special tokens, and nothing of it is learned.

    The marks themselves, which have no meaning in a text, become U+FFFD, the replacement character.
    """
    return _replaced(text, "\ufffd")


def without_marks(marked: str) -> str:
    """Return the rendered conversation itself: what a template gives, special tokens written out."""
    return _replaced(marked, "")


def _replaced(text: str, by: str) -> str:
    for mark in MARKS:  # a tenth of the time that `translate` takes
        text = text.replace(mark, by)
    return text
