"""A text with what is true and what was found marked in it, for pages with colours and without."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

MOST_CONTEXT = 160  # characters shown on both sides

Segment = list[str | None]
"""Characters, the label of what is true there or None, the label of what was found there or None."""


def segments(text: str, first: int, last: int, spans: Sequence[tuple[int, int, str] | None]) -> list[Segment]:
    """Cuts a part of a text where what is true or what was found begins or ends.

    Args:
        text: the text.
        first: where the part begins.
        last: where it ends, perhaps beyond the text.
        spans: what is true and what was found, each start, end and label, or None.
    """
    last = min(last, len(text))
    cuts = {first, last} | {place for span in spans if span for place in span[:2]}
    pieces: list[Segment] = []
    for begin, end in pairwise(sorted(cuts)):
        labels = [span[2] if span and span[0] <= begin and end <= span[1] else None for span in spans]
        pieces.append([text[begin:end], *labels])
    if first > 0:
        pieces.insert(0, ["…", None, None])
    if last < len(text):
        pieces.append(["…", None, None])
    return pieces


def marked(pieces: Sequence[Segment]) -> str:
    """The text with square brackets around what is true, and round ones around what was found."""
    parts: list[str] = []
    was_true = was_found = False
    for characters, true, found in [*pieces, ["", None, None]]:
        parts += [")"] * (was_found and not found) + ["]"] * (was_true and not true)
        parts += ["["] * (not was_true and bool(true)) + ["("] * (not was_found and bool(found))
        parts.append(characters or "")
        was_true, was_found = bool(true), bool(found)
    return "".join(parts)
