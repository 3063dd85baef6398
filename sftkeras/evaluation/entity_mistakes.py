"""Entities that were answered wrongly, each shown in its text."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from sftkeras.evaluation.entities import Entity, JudgedEntities
from sftkeras.evaluation.entity_matches import Match

MOST_CONTEXT = 160  # characters shown on both sides

# What each fault is called.
WORDS = {
    "boundary": "wrong boundary",
    "label": "wrong label",
    "both": "wrong label and boundary",
    "missed": "missed",
    "invented": "no entity there",
}


def worst_entity_mistakes(judged: JudgedEntities, limit: int) -> list[dict[str, Any]]:
    """Returns at most `limit` wrong answers: three quarters found and wrong, the surest first, and the rest missed.

    `segments` is the text around, cut where a true or a found entity begins or ends: each [characters, true label or
    None, found label or None]. `marked` is the same in one line, for pages without colours.
    """
    wrong = [(row, match) for row, found in enumerate(judged.matches) for match in found if match.fault != "right"]
    missed = [one for one in wrong if one[1].found is None]
    found = sorted((one for one in wrong if one[1].found), key=lambda one: -one[1].found.score)  # type: ignore[union-attr]
    shown = found[: max(limit - min(len(missed), limit // 4), 0)]
    return [_described(judged, row, match) for row, match in shown + missed[: limit - len(shown)]]


def _described(judged: JudgedEntities, row: int, match: Match) -> dict[str, Any]:
    file, line = judged.places[row]
    here = [one for one in (match.true, match.found) if one]
    first = max(min(one.start for one in here) - MOST_CONTEXT, 0)
    last = max(one.end for one in here) + MOST_CONTEXT
    segments = _segments(judged, row, match, first, last)
    return {
        "fault": match.fault,
        "what": WORDS[match.fault],
        "truth": _named(judged, row, match.true),
        "answer": _named(judged, row, match.found),
        "probability": match.found.score if match.found else None,
        "text": judged.texts[row][first:last],
        "segments": segments,
        "marked": _marked(segments),
        "file": file,
        "line": line,
    }


def _named(judged: JudgedEntities, row: int, entity: Entity | None) -> str | None:
    return judged.label_names[entity.label] if entity else None


def _segments(judged: JudgedEntities, row: int, match: Match, first: int, last: int) -> list[list[str | None]]:
    text = judged.texts[row]
    last = min(last, len(text))
    cuts = {first, last} | {place for one in (match.true, match.found) if one for place in (one.start, one.end)}
    segments: list[list[str | None]] = []
    places = sorted(cuts)
    for begin, end in pairwise(places):
        labels = [
            judged.label_names[one.label] if one and one.start <= begin and end <= one.end else None
            for one in (match.true, match.found)
        ]
        segments.append([text[begin:end], *labels])
    if first > 0:
        segments.insert(0, ["…", None, None])
    if last < len(text):
        segments.append(["…", None, None])
    return segments


def _marked(segments: list[list[str | None]]) -> str:
    """The text with square brackets around what is true, and round ones around what was found."""
    parts: list[str] = []
    was_true = was_found = False
    for characters, true, found in [*segments, ["", None, None]]:
        parts += [")"] * (was_found and not found) + ["]"] * (was_true and not true)
        parts += ["["] * (not was_true and bool(true)) + ["("] * (not was_found and bool(found))
        parts.append(characters or "")
        was_true, was_found = bool(true), bool(found)
    return "".join(parts)
