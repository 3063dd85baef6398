"""The answers that a reader should look at first: where the model was surest and wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from sftkeras.evaluation.evaluated import EvaluatedRows

# Longer texts are cut in the report; the place leads to the whole.
MOST_CHARACTERS = 600
NOT_WRONG = -1.0

Mistake = tuple[int, dict[str, Any]]  # the row, and what is said of it


def worst_mistakes(evaluated: EvaluatedRows, limit: int) -> list[dict[str, Any]]:
    """Returns at most `limit` wrong answers, worst first, with text, place, truth and answer.

    One label: by the probability of the wrong answer. Multi-label: by the probability of a row's surest wrong
    decision. Numbers: by the size of the error.
    """
    chosen = {"class": _class_mistakes, "classes": _classes_mistakes, "number": _number_mistakes}[evaluated.kind]
    return [row_facts(evaluated, row) | facts for row, facts in chosen(evaluated, limit)]


def row_facts(evaluated: Any, row: int) -> dict[str, Any]:
    """What a mistake says of its row, whatever is evaluated: text, pair and place."""
    file, line = evaluated.places[row]
    pair = evaluated.pairs[row] if evaluated.pairs is not None else None
    return {
        "text": cut(evaluated.texts[row]),
        "pair": cut(pair) if pair is not None else None,
        "file": file,
        "line": line,
    }


def _class_mistakes(evaluated: EvaluatedRows, limit: int) -> Iterator[Mistake]:
    given, names = evaluated.given, evaluated.label_names
    confidence = evaluated.answers.max(axis=1)
    for row in _largest(np.where(given != evaluated.truth, confidence, NOT_WRONG), limit):
        truth = evaluated.truth[row]
        yield (
            row,
            {
                "truth": names[truth],
                "answer": names[given[row]],
                "probability": float(confidence[row]),
                "truth_probability": float(evaluated.answers[row, truth]),
            },
        )


def _classes_mistakes(evaluated: EvaluatedRows, limit: int) -> Iterator[Mistake]:
    given, truth = evaluated.given, evaluated.truth.astype(bool)
    # [rows, labels]: how sure the model was of each wrong decision
    sureness = np.where(given == truth, NOT_WRONG, np.where(given, evaluated.answers, 1 - evaluated.answers))
    surest = sureness.argmax(axis=1)
    for row in _largest(sureness.max(axis=1), limit):
        label = surest[row]
        yield (
            row,
            {
                "truth": _labels(evaluated, truth[row]),
                "answer": _labels(evaluated, given[row]),
                "label": evaluated.label_names[label],
                "probability": float(evaluated.answers[row, label]),
            },
        )


def _number_mistakes(evaluated: EvaluatedRows, limit: int) -> Iterator[Mistake]:
    errors = evaluated.answers.astype(np.float64) - evaluated.truth
    for row in _largest(np.where(errors == 0, NOT_WRONG, np.abs(errors)), limit):
        answer = float(evaluated.answers[row])
        yield row, {"truth": float(evaluated.truth[row]), "answer": answer, "error": float(errors[row])}


def _largest(badness: np.ndarray, limit: int) -> list[int]:
    """Numbers of the worst rows, worst first, without those that are `NOT_WRONG`."""
    order = np.argsort(-badness, kind="stable")[:limit]
    return order[badness[order] != NOT_WRONG].tolist()


def _labels(evaluated: EvaluatedRows, flags: np.ndarray) -> list[str]:
    return [evaluated.label_names[number] for number in np.flatnonzero(flags)]


def cut(text: str) -> str:
    """A text as the report shows it."""
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"
