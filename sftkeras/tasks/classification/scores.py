"""Evaluated labels: the probabilities that a model gives the labels of texts, with the truth; and their figures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sftkeras.errors import SFTError
from sftkeras.evaluation.evaluated import EvaluatedRows, check_finite, in_file
from sftkeras.evaluation.statistics.calibration import expected_calibration_error, reliability
from sftkeras.evaluation.statistics.confusion import confused_pairs, confusion_counts
from sftkeras.evaluation.statistics.metrics import Scores, Tally, averages, precision_recall_f1, ratio, scores_of

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# How far the probabilities of a row may be from a sum of one: float32 rounding over thousands of labels stays below.
SUM_TOLERANCE = 1e-3
# Figures that sort all rows for each label (ROC-AUC, average precision) are left out beyond this many labels.
MOST_RANKED_LABELS = 200
# A confusion matrix of more labels is left out of report.json; the most confused pairs are always there.
MOST_CONFUSION_LABELS = 200
# Probabilities are float32: nearer to 0 or 1 than this they are not distinguishable.
SMALLEST_PROBABILITY = 1e-7


@dataclass(frozen=True, eq=False)
class EvaluatedLabels(EvaluatedRows):
    """Probabilities of labels, with the truth: one label a text, or with thresholds none, one or several.

    Args:
        texts: the text of each row.
        pairs: the second text of each row, or None.
        places: file name and 1-based line of each row.
        label_names: one name a label.
        truth: `[rows]` int label numbers | `[rows, labels]` 0 or 1.
        predictions: `[rows, labels]` float probabilities.
        multi_label: whether a text has none, one or several labels.
        thresholds: `[labels]` float, the probability from which each label is given (multi-label only); None takes 0.5.

    Raises:
        SFTError: SFT601 for shapes that do not fit, SFT602 for no rows, SFT603 for predictions that are not finite,
            SFT604 for a truth that is no label, SFT605 for predictions that are no probabilities.
    """

    label_names: tuple[str, ...]
    truth: np.ndarray
    predictions: np.ndarray
    multi_label: bool = False
    thresholds: np.ndarray | None = None

    def __post_init__(self) -> None:
        self._check_shapes()
        if not len(self):
            raise SFTError("SFT602")
        check_finite(self.predictions, self.places)
        self._check_answers()
        self._check_truth()

    @property
    def given(self) -> np.ndarray:
        """Predicted labels: `[rows]` label numbers | `[rows, labels]` bool."""
        return self.predictions >= self.label_thresholds if self.multi_label else self.predictions.argmax(axis=1)

    @property
    def label_thresholds(self) -> np.ndarray:
        """`[labels]` float: the probability from which each label is given."""
        return np.full(len(self.label_names), 0.5) if self.thresholds is None else np.asarray(self.thresholds)

    def has_label(self, number: int) -> np.ndarray:
        """`[rows]` bool: whether a label is true."""
        return self.truth[:, number] == 1 if self.multi_label else self.truth == number

    def in_words(self, row: int) -> tuple[str, str]:
        """Gives the true and the predicted labels of a row, for people."""
        return self._words(self.truth[row]), self._words(self.given[row])

    def _words(self, value: Any) -> str:
        if self.multi_label:
            return ", ".join(self.label_names[number] for number in np.flatnonzero(value)) or "none"
        return self.label_names[value]

    def with_predictions(self, predictions: np.ndarray) -> EvaluatedLabels:
        """Returns the same rows with the probabilities of another model, whose thresholds are 0.5."""
        return replace(self, predictions=predictions, thresholds=None)

    def _check_shapes(self) -> None:
        rows, labels = len(self.truth), len(self.label_names)
        expected: dict[str, tuple[Any, tuple[int, ...]]] = {
            "truth": (self.truth.shape, (rows, labels) if self.multi_label else (rows,)),
            "predictions": (self.predictions.shape, (rows, labels)),
            "texts": ((len(self.texts),), (rows,)),
            "places": ((len(self.places),), (rows,)),
        }
        if self.thresholds is not None:
            expected["thresholds"] = (np.shape(self.thresholds), (labels,))
        if self.pairs is not None:
            expected["pairs"] = ((len(self.pairs),), (rows,))
        for name, (found, shape) in expected.items():
            if found != shape:
                raise SFTError("SFT601", what=name, found=found, expected=shape)

    def _check_answers(self) -> None:
        bad = np.flatnonzero(((self.predictions < 0) | (self.predictions > 1 + SUM_TOLERANCE)).any(axis=1))
        if not self.multi_label and not bad.size:
            bad = np.flatnonzero(np.abs(self.predictions.sum(axis=1, dtype=np.float64) - 1) > SUM_TOLERANCE)
        if bad.size:
            predictions = np.round(self.predictions[bad[0]][:5], 4).tolist()
            raise SFTError("SFT605", place=in_file(self.places[bad[0]]), predictions=predictions)

    def _check_truth(self) -> None:
        if self.multi_label:
            fits = ((self.truth == 0) | (self.truth == 1)).all(axis=1)
        else:
            fits = (self.truth >= 0) & (self.truth < len(self.label_names))
        if not fits.all():
            row = int(np.flatnonzero(~fits)[0])
            raise SFTError("SFT604", place=in_file(self.places[row]), truth=self.truth[row])


def score_labels(evaluated: EvaluatedLabels) -> Scores:
    """Computes every figure of labels."""
    metrics = scores_of(tally_labels(evaluated))
    per_class = _per_class(evaluated)
    for name in ("roc_auc", "average_precision"):
        metrics[name] = _mean([row[name] for row in per_class.values()])
    calibration = _calibration(evaluated)
    metrics["ece"] = expected_calibration_error(calibration)
    return Scores(metrics, per_class, _confusion(evaluated), calibration)


def tally_labels(evaluated: EvaluatedLabels) -> Tally:
    """Returns the additive facts of each row and what follows from their sums."""
    return _many_label_tally(evaluated) if evaluated.multi_label else _one_label_tally(evaluated)


# ---- sums over rows, and figures of them


def _one_label_tally(evaluated: EvaluatedLabels) -> Tally:
    from scipy.sparse import csr_array, hstack

    rows, labels = evaluated.predictions.shape
    actual, answered = _one_hot(evaluated.truth, labels), _one_hot(evaluated.given, labels)
    errors = np.stack([_log_losses(evaluated), _brier_scores(evaluated)], axis=1)  # [rows, 2]
    facts = hstack([actual * answered, answered, actual, csr_array(errors)], format="csr")

    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        hits, answered, actual = (sums[..., part * labels : (part + 1) * labels] for part in range(3))
        return {
            "accuracy": hits.sum(axis=-1) / rows,
            **averages(hits, answered, actual),
            "brier": sums[..., -1] / rows,
            "log_loss": sums[..., -2] / rows,
        }

    return Tally(facts, figures)


def _many_label_tally(evaluated: EvaluatedLabels) -> Tally:
    from scipy.sparse import csr_array, hstack

    rows, labels = evaluated.predictions.shape
    truth, given = evaluated.truth.astype(bool), evaluated.given
    wrong = (truth != given).sum(axis=1)
    errors = np.stack([wrong == 0, wrong, _log_losses(evaluated), _brier_scores(evaluated)], axis=1)  # [rows, 4]
    parts = [csr_array(part, dtype=np.float64) for part in (truth & given, given, truth, errors)]
    facts = hstack(parts, format="csr")

    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        hits, answered, actual = (sums[..., part * labels : (part + 1) * labels] for part in range(3))
        micro = [part.sum(axis=-1) for part in (hits, answered, actual)]
        return {
            **dict(zip(("micro_precision", "micro_recall", "micro_f1"), precision_recall_f1(*micro), strict=True)),
            **averages(hits, answered, actual),
            "subset_accuracy": sums[..., -4] / rows,
            "hamming_loss": sums[..., -3] / (rows * labels),
            "brier": sums[..., -1] / rows,
            "log_loss": sums[..., -2] / rows,
        }

    return Tally(facts, figures)


def _one_hot(numbers: np.ndarray, labels: int) -> csr_array:
    from scipy.sparse import csr_array

    rows = len(numbers)
    return csr_array((np.ones(rows), (np.arange(rows), numbers)), shape=(rows, labels))


def _log_losses(evaluated: EvaluatedLabels) -> np.ndarray:
    """`[rows]` float64: negative log-probability of the truth; the mean over labels for multi-label."""
    probabilities = np.clip(evaluated.predictions, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY).astype(np.float64)
    if not evaluated.multi_label:
        return -np.log(probabilities[np.arange(len(evaluated)), evaluated.truth])
    return -np.where(evaluated.truth == 1, np.log(probabilities), np.log1p(-probabilities)).mean(axis=1)


def _brier_scores(evaluated: EvaluatedLabels) -> np.ndarray:
    """`[rows]` float64: squared error of the probabilities.

    For one label of more than two it is summed over labels (0 to 2); for two labels, and for multi-label, it is the
    mean over labels (0 to 1). That is scikit-learn's convention.
    """
    if evaluated.multi_label:
        return ((evaluated.predictions - evaluated.truth) ** 2).mean(axis=1, dtype=np.float64)
    errors = evaluated.predictions.astype(np.float64)
    errors[np.arange(len(evaluated)), evaluated.truth] -= 1
    scores = (errors**2).sum(axis=1)
    return scores / 2 if len(evaluated.label_names) == 2 else scores


# ---- figures that are not sums over rows


def _per_class(evaluated: EvaluatedLabels) -> dict[str, dict[str, Any]]:
    labels = len(evaluated.label_names)
    if not evaluated.multi_label:
        counts = confusion_counts(evaluated.truth, evaluated.given, labels)
        hits, answered, actual = np.diag(counts), counts.sum(axis=0), counts.sum(axis=1)
    else:
        truth, given = evaluated.truth.astype(bool), evaluated.given
        hits, answered, actual = ((part).sum(axis=0) for part in (truth & given, given, truth))
    columns = zip(*precision_recall_f1(hits, answered, actual), strict=True)
    per_class: dict[str, dict[str, Any]] = {}
    for number, (name, (precision, recall, f1)) in enumerate(zip(evaluated.label_names, columns, strict=True)):
        occurs = answered[number] + actual[number] > 0
        per_class[name] = {
            "precision": float(precision) if occurs else None,
            "recall": float(recall) if occurs else None,
            "f1": float(f1) if occurs else None,
            "support": int(actual[number]),
            "answered": int(answered[number]),
            **_ranking_figures(evaluated, number),
        }
        if evaluated.multi_label:
            per_class[name]["threshold"] = float(evaluated.label_thresholds[number])
    return per_class


def _ranking_figures(evaluated: EvaluatedLabels, number: int) -> dict[str, float | None]:
    """ROC-AUC and average precision of one label against the rest; None without rows of both sides."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    truth = evaluated.has_label(number)
    if truth.all() or not truth.any() or len(evaluated.label_names) > MOST_RANKED_LABELS:
        return {"roc_auc": None, "average_precision": None}
    probabilities = evaluated.predictions[:, number]
    return {
        "roc_auc": float(roc_auc_score(truth, probabilities)),
        "average_precision": float(average_precision_score(truth, probabilities)),
    }


def _calibration(evaluated: EvaluatedLabels) -> dict[str, Any]:
    """Reliability of the answer's probability (one label), or of every label's (multi-label)."""
    if not evaluated.multi_label:
        return reliability(evaluated.predictions.max(axis=1), evaluated.given == evaluated.truth)
    return reliability(evaluated.predictions.ravel(), evaluated.truth.ravel() == 1)


def _confusion(evaluated: EvaluatedLabels) -> dict[str, Any]:
    names, labels = list(evaluated.label_names), len(evaluated.label_names)
    if evaluated.multi_label:
        truth, given = evaluated.truth.astype(bool), evaluated.given
        cells = [[~truth & ~given, ~truth & given], [truth & ~given, truth & given]]
        counts = np.array([[cell.sum(axis=0) for cell in row] for row in cells])  # [2, 2, labels]
        return {"labels": names, "counts": np.moveaxis(counts, -1, 0).tolist()}
    counts = confusion_counts(evaluated.truth, evaluated.given, labels)
    support = counts.sum(axis=1, keepdims=True)
    confusion: dict[str, Any] = {"labels": names, "counts": None, "normalised": None}
    if labels <= MOST_CONFUSION_LABELS:
        confusion["counts"] = counts.tolist()
        confusion["normalised"] = np.round(ratio(counts, support), 6).tolist()
    return confusion | {"most_confused": confused_pairs(counts, names)}


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
