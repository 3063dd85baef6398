"""Words to the text that a reader of their language would write."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Scripts that put no space between words, and the punctuation of Chinese and Japanese.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uff65"
    "\U00020000-\U0003134f]"
)


def joined_words(words: Sequence[str]) -> tuple[str, list[int]]:
    """Joins words by single spaces, but for those beside a script without spaces, such as Chinese.

    Returns:
        The text, and the place in it where each word begins.
    """
    parts: list[str] = []
    starts: list[int] = []
    length = 0
    before = ""
    for word in words:
        if before and word and not (UNSPACED.match(before[-1]) or UNSPACED.match(word[0])):
            parts.append(" ")
            length += 1
        starts.append(length)
        parts.append(word)
        length += len(word)
        before = word or before
    return "".join(parts), starts
