"""Evaluated entities: the spans a model found in labelled texts beside the true ones, and the figures that follow.

The counts of exact, partial, boundary and label matches are those of nervaluate, by the definitions of SemEval 2013,
task 9.1 (Segura-Bedmar et al., 2013).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from sftkeras.evaluation.evaluated import EvaluatedRows, check_finite
from sftkeras.evaluation.statistics.calibration import expected_calibration_error, reliability
from sftkeras.evaluation.statistics.confusion import confused_pairs
from sftkeras.evaluation.statistics.metrics import Scores, Tally, averages, precision_recall_f1, scores_of
from sftkeras.tasks.tagging.matches import Match, matches

NO_ENTITY = "no entity"  # how the confusion of labels calls what was missed, and what was found where nothing is


class ScoredEntity(NamedTuple):
    """A span of characters with a label's number, and the model's confidence; 1 for the truth."""

    start: int
    end: int
    label: int
    score: float = 1.0


@dataclass(frozen=True, eq=False)
class EvaluatedEntities(EvaluatedRows):
    """Entities that a model found in labelled texts, with the truth.

    Args:
        texts: the text of each row.
        pairs: None.
        places: file name and 1-based line of each row.
        label_names: one name a label.
        truth: the entities of each row, in order.
        predictions: those that the model found.

    Raises:
        SFTError: SFT602 for no rows.
    """

    label_names: tuple[str, ...]
    truth: Sequence[Sequence[ScoredEntity]]
    predictions: Sequence[Sequence[ScoredEntity]]

    @cached_property
    def matches(self) -> list[list[Match]]:
        """Matches of true and predicted entities of each row."""
        return [matches(true, found) for true, found in zip(self.truth, self.predictions, strict=True)]

    def with_predictions(self, predictions: Sequence[Sequence[ScoredEntity]]) -> EvaluatedEntities:
        """Returns the same rows with the predictions of another model."""
        return replace(self, predictions=predictions)

    def in_words(self, row: int) -> tuple[str, str]:
        """Gives the true and the found entities of a row, for people."""
        return self._words(row, self.truth[row]), self._words(row, self.predictions[row])

    def _words(self, row: int, entities: Sequence[ScoredEntity]) -> str:
        text = self.texts[row]
        return ", ".join(f"{self.label_names[one.label]} “{text[one.start : one.end]}”" for one in entities) or "none"


def read_entities(
    rows: dict[str, Any], truth: Any, predictions: dict[str, np.ndarray], label_names: tuple[str, ...]
) -> EvaluatedEntities:
    """Takes the predictions of an exported version apart.

    Args:
        rows: texts and places.
        truth: `sftkeras.data` spans of each row, [spans, 3] int32.
        predictions: `label`, `score`, `start` and `end`, each [rows, most entities].
        label_names: the labels.

    Raises:
        SFTError: SFT603 for scores that are not finite.
    """
    numbers = {name: number for number, name in enumerate(label_names)}
    check_finite(predictions["score"], rows["places"])
    columns = (predictions[name].tolist() for name in ("start", "end", "label", "score"))
    found = [
        [
            ScoredEntity(start, end, numbers[label], score)
            for start, end, label, score in zip(*row, strict=True)
            if start >= 0
        ]
        for row in zip(*columns, strict=True)
    ]
    true = [[ScoredEntity(*span) for span in spans.tolist()] for spans in truth]
    return EvaluatedEntities(**rows | {"pairs": None}, label_names=label_names, truth=true, predictions=found)


def entity_tally(evaluated: EvaluatedEntities) -> Tally:
    """The additive facts of each text, and the figures of their sums."""
    from scipy.sparse import csr_array

    labels = len(evaluated.label_names)
    counts = np.array(
        [_semeval_counts(*row) for row in zip(evaluated.truth, evaluated.predictions, strict=True)], np.float64
    )
    by_label = np.concatenate(_label_counts(evaluated), axis=1)  # [rows, 3 * labels]

    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        strict, boundary, of_label, partial, answered, actual = np.moveaxis(sums[..., :6], -1, 0)
        precision, recall, f1 = precision_recall_f1(strict, answered, actual)
        hits = (sums[..., 6 + part * labels : 6 + (part + 1) * labels] for part in range(3))
        return {
            "entity_f1": f1,
            "entity_precision": precision,
            "entity_recall": recall,
            **{name: value for name, value in averages(*hits).items() if name == "macro_f1"},
            "partial_f1": precision_recall_f1(partial, answered, actual)[2],
            "boundary_f1": precision_recall_f1(boundary, answered, actual)[2],
            "label_f1": precision_recall_f1(of_label, answered, actual)[2],
        }

    return Tally(csr_array(np.concatenate([counts, by_label], axis=1)), figures)


def score_entities(evaluated: EvaluatedEntities) -> Scores:
    """Computes every figure of entities."""
    metrics = scores_of(entity_tally(evaluated))
    calibration = _calibration(evaluated)
    if calibration:
        metrics["entity_ece"] = expected_calibration_error(calibration)
    return Scores(metrics, _per_label(evaluated), _confusion(evaluated), calibration)


def _semeval_counts(true: Sequence[ScoredEntity], found: Sequence[ScoredEntity]) -> tuple[float, ...]:
    """Right by label and boundary, by boundary, by label, partly right; entities found, and there to find."""
    from nervaluate import strategies
    from nervaluate.entities import Entity as Span

    def spans(entities: Sequence[ScoredEntity]) -> list[Span]:
        return [Span(str(one.label), one.start, one.end - 1) for one in entities]  # whose end is the last character

    both = spans(true), spans(found)

    def counted(strategy: strategies.EvaluationStrategy) -> Any:
        return strategy.evaluate(*both, tags=[])[0]

    partial = counted(strategies.PartialEvaluation())
    return (
        counted(strategies.StrictEvaluation()).correct,
        counted(strategies.ExactEvaluation()).correct,
        counted(strategies.EntityTypeEvaluation()).correct,
        partial.correct + partial.partial / 2,
        len(found),
        len(true),
    )


def _label_counts(evaluated: EvaluatedEntities) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entities of each label that are right, found, and there, each [rows, labels]."""
    hits, answered, actual = (np.zeros((len(evaluated), len(evaluated.label_names))) for _ in range(3))
    for row, found in enumerate(evaluated.matches):
        for match in found:
            if match.true:
                actual[row, match.true.label] += 1
            if match.found:
                answered[row, match.found.label] += 1
            if match.fault == "right" and match.true:
                hits[row, match.true.label] += 1
    return hits, answered, actual


def _per_label(evaluated: EvaluatedEntities) -> dict[str, dict[str, Any]]:
    hits, answered, actual = (counts.sum(axis=0) for counts in _label_counts(evaluated))
    columns = zip(*precision_recall_f1(hits, answered, actual), strict=True)
    per_label = {}
    for number, (name, (precision, recall, f1)) in enumerate(zip(evaluated.label_names, columns, strict=True)):
        occurs = answered[number] + actual[number] > 0
        per_label[name] = {
            "precision": float(precision) if occurs else None,
            "recall": float(recall) if occurs else None,
            "f1": float(f1) if occurs else None,
            "support": int(actual[number]),
            "answered": int(answered[number]),
            "faults": _faults(evaluated, number),
        }
    return per_label


def _faults(evaluated: EvaluatedEntities, label: int) -> dict[str, int]:
    """Number of a label's entities that are right, or wrong in each way; an invented one counts by its found label."""
    counts = dict.fromkeys(("right", "boundary", "label", "both", "missed", "invented"), 0)
    for found in evaluated.matches:
        for match in found:
            if (match.true or match.found).label == label:  # type: ignore[union-attr]
                counts[match.fault] += 1
    return counts


def _calibration(evaluated: EvaluatedEntities) -> dict[str, Any] | None:
    """Whether scores are the share of entities that are right; None if none was found."""
    found = [match for row in evaluated.matches for match in row if match.found]
    if not found:
        return None
    scores = np.array([match.found.score for match in found if match.found])
    return reliability(np.clip(scores, 0, 1), np.array([match.fault == "right" for match in found]))


def _confusion(evaluated: EvaluatedEntities) -> dict[str, Any]:
    """Confusion of entity labels, found against true; the last row and column are for no entity."""
    names = [*evaluated.label_names, NO_ENTITY]
    nothing = len(evaluated.label_names)
    counts = np.zeros((nothing + 1, nothing + 1), np.int64)
    for row in evaluated.matches:
        for match in row:
            counts[match.true.label if match.true else nothing, match.found.label if match.found else nothing] += 1
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return {
        "labels": names,
        "counts": counts.tolist(),
        "normalised": np.round(share, 6).tolist(),
        "most_confused": confused_pairs(counts, names),
    }
