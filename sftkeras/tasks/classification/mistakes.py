"""Texts that got wrong labels: where the model was most confident and wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from sftkeras.evaluation.report.mistakes import NOT_WRONG, row_facts, worst_rows
from sftkeras.tasks.classification.scores import EvaluatedLabels


def wrong_label_mistakes(evaluated: EvaluatedLabels, limit: int) -> list[dict[str, Any]]:
    """Describes at most `limit` texts that got a wrong label, by the probability of that label, the highest first."""
    given, names = evaluated.given, evaluated.label_names
    confidence = evaluated.predictions.max(axis=1)
    return [
        row_facts(evaluated, row)
        | {
            "truth": names[evaluated.truth[row]],
            "answer": names[given[row]],
            "probability": float(confidence[row]),
            "truth_probability": float(evaluated.predictions[row, evaluated.truth[row]]),
        }
        for row in worst_rows(np.where(given != evaluated.truth, confidence, NOT_WRONG), limit)
    ]


def wrong_decision_mistakes(evaluated: EvaluatedLabels, limit: int) -> list[dict[str, Any]]:
    """Describes at most `limit` texts with a wrong decision on a label, by the confidence in it, the highest first."""
    given, truth = evaluated.given, evaluated.truth.astype(bool)
    # [rows, labels]: how confident the model was of each wrong decision
    confidence = np.where(given == truth, NOT_WRONG, np.where(given, evaluated.predictions, 1 - evaluated.predictions))
    worst = confidence.argmax(axis=1)
    return [
        row_facts(evaluated, row)
        | {
            "truth": _labels(evaluated, truth[row]),
            "answer": _labels(evaluated, given[row]),
            "label": evaluated.label_names[worst[row]],
            "probability": float(evaluated.predictions[row, worst[row]]),
        }
        for row in worst_rows(confidence.max(axis=1), limit)
    ]


def _labels(evaluated: EvaluatedLabels, flags: np.ndarray) -> list[str]:
    return [evaluated.label_names[number] for number in np.flatnonzero(flags)]
