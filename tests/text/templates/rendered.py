"""Marked text as a reference says it: the text itself, and the spans of its characters that are learned."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from sftkeras.text import marks

Spans = list[tuple[int, int]]


def text_and_spans(marked: str) -> tuple[str, Spans]:
    """The text without marks, and begin and end of what is learned."""
    text, spans, begin = "", [], 0
    for letter in marked.replace(marks.SPECIAL, "").replace(marks.SPECIAL_END, ""):
        if letter == marks.LEARNED:
            begin = len(text)
        elif letter == marks.LEARNED_END:
            spans.append((begin, len(text)))
        else:
            text += letter
    return text, spans


def digest_of(rows: Sequence[Any]) -> str:
    """A hash of texts with their spans."""
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()
