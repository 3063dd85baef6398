"""Questions that were answered wrongly, each with both answers marked in the context."""

from __future__ import annotations

from typing import Any

from sftkeras.evaluation.report.marking import MOST_CONTEXT, marked, segments
from sftkeras.tasks.span_qa.scores import NO_ANSWER, Answer, EvaluatedAnswers


def worst_answer_mistakes(evaluated: EvaluatedAnswers, limit: int) -> list[dict[str, Any]]:
    """Describes at most `limit` questions whose answer is not a true one, the most confident first.

    `segments` is the context around, cut where the true or the given answer begins or ends: each [characters, true
    answer or None, given answer or None]. `marked` is the same in one line.
    """
    exact = evaluated.facts[:, 0]
    wrong = [row for row in range(len(evaluated)) if not exact[row]]
    return [
        _described(evaluated, row) for row in sorted(wrong, key=lambda row: -evaluated.predictions[row].score)[:limit]
    ]


def _described(evaluated: EvaluatedAnswers, row: int) -> dict[str, Any]:
    file, line = evaluated.places[row]
    true = evaluated.truth[row][0] if evaluated.truth[row] else None
    given = evaluated.predictions[row] if evaluated.predictions[row].text else None
    truth, answer = evaluated.in_words(row)
    here = [one for one in (true, given) if one]
    context = evaluated.pairs[row]
    first = max(min((one.start for one in here), default=0) - MOST_CONTEXT, 0)
    last = max((one.end for one in here), default=0) + MOST_CONTEXT
    pieces = segments(context, first, last, [one and (one.start, one.end, "answer") for one in (true, given)])
    return {
        "what": _fault(true, given, evaluated.facts[row, 1]),
        "truth": truth,
        "answer": answer,
        "probability": evaluated.predictions[row].score,
        "text": evaluated.texts[row],
        "segments": pieces,
        "marked": marked(pieces),
        "file": file,
        "line": line,
    }


def _fault(true: Answer | None, given: Answer | None, f1: float) -> str:
    if not given:
        return "missed"
    if not true:
        return f"there is {NO_ANSWER}"
    return "wrong boundary" if f1 else "wrong place"
