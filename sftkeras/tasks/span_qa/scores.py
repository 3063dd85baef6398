"""Evaluated answers to questions: what a model took out of contexts, with the true answers, and the figures of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from sftkeras.evaluation.evaluated import EvaluatedRows, check_finite
from sftkeras.evaluation.statistics.calibration import expected_calibration_error, reliability
from sftkeras.evaluation.statistics.metrics import Scores, Tally, scores_of
from sftkeras.tasks.span_qa.answer_words import exact_match, f1, words

# Questions are grouped by the first of these words in them.
_ASKING = ("what", "who", "whom", "whose", "when", "where", "which", "why", "how")
_ASKING_CHINESE = ("为什么", "为何", "什么", "谁", "哪", "多少", "几", "怎么", "如何")
_LENGTHS = ((1, "1 word"), (3, "2 to 3 words"), (7, "4 to 7 words"))
NO_ANSWER = "no answer"


class Answer(NamedTuple):
    """A span of a context, its characters, and the model's confidence; nowhere, and no characters, for none."""

    start: int
    end: int
    text: str
    score: float = 1.0


@dataclass(frozen=True, eq=False)
class EvaluatedAnswers(EvaluatedRows):
    """Answers that a model gave to questions, with the truth.

    Args:
        texts: the question of each row.
        pairs: its context.
        places: file name and 1-based line of each row.
        truth: the true answers of each row; none where the context has none.
        predictions: the answer that the model gave to each.

    Raises:
        SFTError: SFT602 for no rows.
    """

    pairs: Sequence[str]
    truth: Sequence[Sequence[Answer]]
    predictions: Sequence[Answer]

    @cached_property
    def facts(self) -> np.ndarray:
        """Of each row: exact match, F1, and whether there is an answer to find, [rows, 3] float64."""
        return np.array(
            [
                (exact_match(given.text, texts), f1(given.text, texts), bool(texts))
                for given, texts in zip(self.predictions, map(_texts, self.truth), strict=True)
            ],
            np.float64,
        )

    def with_predictions(self, predictions: Sequence[Answer]) -> EvaluatedAnswers:
        """Returns the same rows with the answers of another model."""
        return replace(self, predictions=predictions)

    def in_words(self, row: int) -> tuple[str, str]:
        """Gives the truth and the answer of a row, for people."""
        return " / ".join(_texts(self.truth[row])) or NO_ANSWER, self.predictions[row].text or NO_ANSWER


def _texts(truth: Sequence[Answer]) -> list[str]:
    return list(dict.fromkeys(one.text for one in truth))


def read_answers(rows: dict[str, Any], truth: Any, predictions: dict[str, np.ndarray]) -> EvaluatedAnswers:
    """Takes the answers of an exported version apart.

    Args:
        rows: texts, pairs and places.
        truth: `sftkeras.data` spans of each row, [answers, 3] int32.
        predictions: `answer`, `score`, `start` and `end`, each [rows].

    Raises:
        SFTError: SFT603 for scores that are not finite.
    """
    check_finite(predictions["score"], rows["places"])
    columns = (predictions[name].tolist() for name in ("start", "end", "answer", "score"))
    true = [
        [Answer(start, end, context[start:end]) for start, end, _ in spans.tolist()]
        for context, spans in zip(rows["pairs"], truth, strict=True)
    ]
    return EvaluatedAnswers(**rows, truth=true, predictions=[Answer(*row) for row in zip(*columns, strict=True)])


def answer_tally(evaluated: EvaluatedAnswers) -> Tally:
    """The additive facts of each question, and the figures of their sums."""
    from scipy.sparse import csr_array

    exact, shared, has = evaluated.facts.T
    facts = np.stack([exact, shared, np.ones_like(has), has, exact * has, shared * has], 1)
    mixed = 0 < has.sum() < len(has)

    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        exact, shared, rows, has, has_exact, has_shared = np.moveaxis(sums, -1, 0)
        found = {"answer_f1": shared / rows, "exact_match": exact / rows}
        if mixed:
            with np.errstate(invalid="ignore", divide="ignore"):  # a resampling may have questions of one sort alone
                found["has_answer_f1"] = has_shared / has
                found["has_answer_exact"] = has_exact / has
                found["no_answer_accuracy"] = (exact - has_exact) / (rows - has)
        return found

    return Tally(csr_array(facts), figures)


def score_answers(evaluated: EvaluatedAnswers) -> Scores:
    """Computes every figure of answers."""
    metrics = scores_of(answer_tally(evaluated))
    scores = np.clip([one.score for one in evaluated.predictions], 0, 1)
    calibration = reliability(scores, evaluated.facts[:, 0] > 0)
    metrics["answer_ece"] = expected_calibration_error(calibration)
    groups = {
        "question word": [_asked(question) for question in evaluated.texts],
        "length of the answer": [_length(truth) for truth in evaluated.truth],
    }
    breakdowns = {title: _by_group(evaluated, names) for title, names in groups.items() if len(set(names)) > 1}
    return Scores(metrics, {}, None, calibration, breakdowns)


def _by_group(evaluated: EvaluatedAnswers, names: Sequence[str]) -> list[dict[str, Any]]:
    """The figures of each group of questions, the largest first."""
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(name, []).append(row)
    return [
        {
            "group": name,
            "support": len(group),
            "metrics": dict(
                zip(("exact_match", "answer_f1"), evaluated.facts[group, :2].mean(axis=0).tolist(), strict=True)
            ),
        }
        for name, group in sorted(rows.items(), key=lambda one: -len(one[1]))
    ]


def _asked(question: str) -> str:
    found = next((word for word in words(question) if word in _ASKING), None)
    return found or next((word for word in _ASKING_CHINESE if word in question), "other")


def _length(truth: Sequence[Answer]) -> str:
    if not truth:
        return NO_ANSWER
    count = len(words(truth[0].text))
    return next((name for most, name in _LENGTHS if count <= most), "8 words or more")
