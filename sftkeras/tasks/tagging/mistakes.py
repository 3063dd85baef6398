"""Entities that were answered wrongly, each shown in its text."""

from __future__ import annotations

from typing import Any

from sftkeras.evaluation.report.marking import MOST_CONTEXT, marked, segments
from sftkeras.tasks.tagging.matches import Match
from sftkeras.tasks.tagging.scores import EvaluatedEntities, ScoredEntity

# What each fault is called.
WORDS = {
    "boundary": "wrong boundary",
    "label": "wrong label",
    "both": "wrong label and boundary",
    "missed": "missed",
    "invented": "no entity there",
}


def worst_entity_mistakes(evaluated: EvaluatedEntities, limit: int) -> list[dict[str, Any]]:
    """Describes at most `limit` wrong entities: those found wrongly, the most confident first, then a quarter missed.

    `segments` is the text around, cut where a true or a found entity begins or ends: each [characters, true label or
    None, found label or None]. `marked` is the same in one line, for pages without colours.
    """
    wrong = [(row, match) for row, found in enumerate(evaluated.matches) for match in found if match.fault != "right"]
    missed = [one for one in wrong if one[1].found is None]
    found = sorted((one for one in wrong if one[1].found), key=lambda one: -one[1].found.score)  # type: ignore[union-attr]
    shown = found[: max(limit - min(len(missed), limit // 4), 0)]
    return [_described(evaluated, row, match) for row, match in shown + missed[: limit - len(shown)]]


def _described(evaluated: EvaluatedEntities, row: int, match: Match) -> dict[str, Any]:
    file, line = evaluated.places[row]
    here = [one for one in (match.true, match.found) if one]
    first = max(min(one.start for one in here) - MOST_CONTEXT, 0)
    last = max(one.end for one in here) + MOST_CONTEXT
    spans = [one and (one.start, one.end, evaluated.label_names[one.label]) for one in (match.true, match.found)]
    pieces = segments(evaluated.texts[row], first, last, spans)
    return {
        "fault": match.fault,
        "what": WORDS[match.fault],
        "truth": _named(evaluated, row, match.true),
        "answer": _named(evaluated, row, match.found),
        "probability": match.found.score if match.found else None,
        "text": evaluated.texts[row][first:last],
        "segments": pieces,
        "marked": marked(pieces),
        "file": file,
        "line": line,
    }


def _named(evaluated: EvaluatedEntities, row: int, entity: ScoredEntity | None) -> str | None:
    return evaluated.label_names[entity.label] if entity else None
