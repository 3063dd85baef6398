"""The answers that a reader should look at first: where the model was surest and wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from sftkeras.evaluation.judged import Judged

# Longer texts are cut in the report; the place leads to the whole.
MOST_CHARACTERS = 600
NOT_WRONG = -1.0

Mistake = tuple[int, dict[str, Any]]  # the row, and what is said of it


def worst_mistakes(judged: Judged, limit: int) -> list[dict[str, Any]]:
    """Returns at most `limit` wrong answers, worst first, with text, place, truth and answer.

    One label: by the probability of the wrong answer. Multi-label: by the probability of a row's surest wrong
    decision. Numbers: by the size of the error.
    """
    chosen = {"class": _class_mistakes, "classes": _classes_mistakes, "number": _number_mistakes}[judged.kind]
    return [row_facts(judged, row) | facts for row, facts in chosen(judged, limit)]


def row_facts(judged: Any, row: int) -> dict[str, Any]:
    """What a mistake says of its row, whatever is judged: text, pair and place."""
    file, line = judged.places[row]
    pair = judged.pairs[row] if judged.pairs is not None else None
    return {
        "text": cut(judged.texts[row]),
        "pair": cut(pair) if pair is not None else None,
        "file": file,
        "line": line,
    }


def _class_mistakes(judged: Judged, limit: int) -> Iterator[Mistake]:
    given, names = judged.given, judged.label_names
    confidence = judged.answers.max(axis=1)
    for row in _largest(np.where(given != judged.truth, confidence, NOT_WRONG), limit):
        truth = judged.truth[row]
        yield (
            row,
            {
                "truth": names[truth],
                "answer": names[given[row]],
                "probability": float(confidence[row]),
                "truth_probability": float(judged.answers[row, truth]),
            },
        )


def _classes_mistakes(judged: Judged, limit: int) -> Iterator[Mistake]:
    given, truth = judged.given, judged.truth.astype(bool)
    # [rows, labels]: how sure the model was of each wrong decision
    sureness = np.where(given == truth, NOT_WRONG, np.where(given, judged.answers, 1 - judged.answers))
    surest = sureness.argmax(axis=1)
    for row in _largest(sureness.max(axis=1), limit):
        label = surest[row]
        yield (
            row,
            {
                "truth": _labels(judged, truth[row]),
                "answer": _labels(judged, given[row]),
                "label": judged.label_names[label],
                "probability": float(judged.answers[row, label]),
            },
        )


def _number_mistakes(judged: Judged, limit: int) -> Iterator[Mistake]:
    errors = judged.answers.astype(np.float64) - judged.truth
    for row in _largest(np.where(errors == 0, NOT_WRONG, np.abs(errors)), limit):
        answer = float(judged.answers[row])
        yield row, {"truth": float(judged.truth[row]), "answer": answer, "error": float(errors[row])}


def _largest(badness: np.ndarray, limit: int) -> list[int]:
    """Numbers of the worst rows, worst first, without those that are `NOT_WRONG`."""
    order = np.argsort(-badness, kind="stable")[:limit]
    return order[badness[order] != NOT_WRONG].tolist()


def _labels(judged: Judged, flags: np.ndarray) -> list[str]:
    return [judged.label_names[number] for number in np.flatnonzero(flags)]


def cut(text: str) -> str:
    """A text as the report shows it."""
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"
