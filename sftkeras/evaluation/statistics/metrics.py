"""The figures of a report: what each is called and how it comes from truth and answers.

Most figures are functions of *sums over rows* (a `Tally`). One code then gives the figure itself (the plain sums) and
its confidence interval (the sums of resampled rows, see bootstrap.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sftkeras.evaluation.evaluated import EvaluatedRows
from sftkeras.evaluation.statistics.calibration import expected_calibration_error, reliability

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Figures that sort all rows for each label (ROC-AUC, average precision) are left out beyond this many labels.
MOST_RANKED_LABELS = 200
# A confusion matrix of more labels is left out of report.json; the most confused pairs are always there.
MOST_CONFUSION_LABELS = 200
MOST_CONFUSED_PAIRS = 50
# Probabilities are float32: nearer to 0 or 1 than this they cannot tell.
SMALLEST_PROBABILITY = 1e-7


class Metric(NamedTuple):
    """How a figure is shown."""

    title: str
    meaning: str
    share: bool = True  # of 1, shown in percent
    higher_is_better: bool = True


METRICS: dict[str, Metric] = {
    "accuracy": Metric("Accuracy", "share of texts that got the right label"),
    "subset_accuracy": Metric("Subset accuracy", "share of texts whose labels are all right"),
    "hamming_loss": Metric("Hamming loss", "share of label decisions that are wrong", higher_is_better=False),
    "micro_precision": Metric("Micro precision", "share of the given labels that are right"),
    "micro_recall": Metric("Micro recall", "share of the true labels that were given"),
    "micro_f1": Metric("Micro F1", "precision and recall in one, each label decision counted once"),
    "macro_precision": Metric("Macro precision", "precision, averaged over labels"),
    "macro_recall": Metric("Macro recall", "recall, averaged over labels"),
    "macro_f1": Metric("Macro F1", "F1, averaged over labels: rare labels count as much as common ones"),
    "weighted_precision": Metric("Weighted precision", "precision, averaged over labels by their support"),
    "weighted_recall": Metric("Weighted recall", "recall, averaged over labels by their support"),
    "weighted_f1": Metric("Weighted F1", "F1, averaged over labels by their support"),
    "roc_auc": Metric("ROC-AUC", "chance that a text of the label gets a higher probability than one without it"),
    "average_precision": Metric("Average precision", "area under the precision-recall curve, averaged over labels"),
    "ece": Metric("Calibration error", "how far probabilities are from the share that is right (ECE)", True, False),
    "brier": Metric("Brier score", "mean squared error of the probabilities", False, False),
    "log_loss": Metric("Log loss", "mean negative log-probability of the truth", False, False),
    "entity_f1": Metric("Entity F1", "precision and recall of entities in one"),
    "entity_precision": Metric("Entity precision", "share of the found entities whose characters and label are right"),
    "entity_recall": Metric("Entity recall", "share of the true entities that were found so"),
    "partial_f1": Metric("Partial F1", "F1 if an overlap counts half, whatever the label (SemEval 2013)"),
    "boundary_f1": Metric("Boundary F1", "F1 if the characters must be right, whatever the label (SemEval 2013)"),
    "label_f1": Metric("Label F1", "F1 if the label must be right and the characters overlap (SemEval 2013)"),
    "entity_ece": Metric("Calibration error", "how far scores are from the share that is right (ECE)", True, False),
    "exact_match": Metric("Exact match", "share of questions whose answer is a true one, but for case and articles"),
    "answer_f1": Metric("Answer F1", "words that answer and truth share, averaged over questions"),
    "has_answer_exact": Metric("Exact match, answerable", "exact match where the context has an answer"),
    "has_answer_f1": Metric("Answer F1, answerable", "answer F1 where the context has an answer"),
    "no_answer_accuracy": Metric("No answer found out", "share of questions without an answer that got none"),
    "answer_ece": Metric("Calibration error", "how far scores are from the share that is right (ECE)", True, False),
    "perplexity": Metric(
        "Perplexity", "between how many tokens the model wavers at a hidden one, on geometric average", False, False
    ),
    "masked_accuracy": Metric("Hidden tokens found", "share of hidden tokens that were held likeliest"),
    "masked_accuracy_5": Metric("Found in five guesses", "share of hidden tokens among the five likeliest"),
    "mae": Metric("Mean absolute error", "how far an answer is off on average", False, False),
    "rmse": Metric("Root mean squared error", "as the mean absolute error, large errors weigh more", False, False),
    "median_absolute_error": Metric("Median absolute error", "half of all answers are nearer than this", False, False),
    "r2": Metric("R²", "share of the truth's variance that the answers explain", False),
    "pearson": Metric("Pearson correlation", "linear agreement of answers and truth", False),
    "spearman": Metric("Spearman correlation", "agreement of the order of answers and truth", False),
    "recall_at_1": Metric("Recall@1", "share of texts whose partner is nearer than any other second text"),
    "recall_at_5": Metric("Recall@5", "share of texts whose partner is among the five nearest"),
    "recall_at_10": Metric("Recall@10", "share of texts whose partner is among the ten nearest"),
    "mrr": Metric("Mean reciprocal rank", "one over the partner's rank, averaged over texts", False),
}


class Tally(NamedTuple):
    """Additive facts of each row, and the figures that follow from their sums.

    `rows` is `[rows, facts]` float64, sparse. `figures` takes sums `[..., facts]` to figures of shape `[...]`.
    """

    rows: csr_array
    figures: Callable[[np.ndarray], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Scores:
    """All figures of one model on one set of rows.

    `metrics` holds the keys of `METRICS` that apply; None where a figure is not defined on these rows. `per_class` is
    keyed by label name. `confusion` and `calibration` are None for numbers. `breakdowns` has the figures of groups of
    rows, or of what is in them, by what tells the groups apart: each has a `group`, its name, `support`, how many it
    has, and `metrics`.
    """

    metrics: dict[str, float | None]
    per_class: dict[str, dict[str, Any]]
    confusion: dict[str, Any] | None
    calibration: dict[str, Any] | None
    breakdowns: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def score(evaluated: EvaluatedRows) -> Scores:
    """Computes every figure that applies to the kind of label."""
    rows_tally = tally(evaluated)
    figures = rows_tally.figures(rows_tally.rows.sum(axis=0))
    metrics: dict[str, float | None] = {name: _finite(value) for name, value in figures.items()}
    if evaluated.kind == "number":
        return Scores(metrics | _order_figures(evaluated), {}, None, None)
    per_class = _per_class(evaluated)
    for name in ("roc_auc", "average_precision"):
        metrics[name] = _mean([row[name] for row in per_class.values()])
    calibration = _calibration(evaluated)
    metrics["ece"] = expected_calibration_error(calibration)
    return Scores(metrics, per_class, _confusion(evaluated), calibration)


def tally(evaluated: EvaluatedRows) -> Tally:
    """Returns the additive facts of each row and what follows from their sums."""
    return {"class": _class_tally, "classes": _classes_tally, "number": _number_tally}[evaluated.kind](evaluated)


def confusion_counts(truth: np.ndarray, given: np.ndarray, labels: int) -> np.ndarray:
    """Counts rows by truth and answer.

    Args:
        truth: `[rows]` int label numbers.
        given: `[rows]` int label numbers.
        labels: how many labels there are.

    Returns:
        `[labels, labels]` int64; a row is a true label, a column an answer.
    """
    cells = truth.astype(np.int64) * labels + given
    return np.bincount(cells, minlength=labels * labels).reshape(labels, labels)


def most_confused(counts: np.ndarray, limit: int) -> np.ndarray:
    """Returns the numbers of the `limit` labels with the most confusions, ascending; all if there are no more."""
    confusions = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diag(counts)
    return np.sort(np.argsort(-confusions, kind="stable")[:limit])


# ---- sums over rows, and figures of them


def _class_tally(evaluated: EvaluatedRows) -> Tally:
    from scipy.sparse import csr_array, hstack

    rows, labels = evaluated.answers.shape
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


def _classes_tally(evaluated: EvaluatedRows) -> Tally:
    from scipy.sparse import csr_array, hstack

    rows, labels = evaluated.answers.shape
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


def _number_tally(evaluated: EvaluatedRows) -> Tally:
    from scipy.sparse import csr_array

    rows = len(evaluated)
    truth, answers = evaluated.truth.astype(np.float64), evaluated.answers.astype(np.float64)
    errors = answers - truth
    # Centred and scaled, so that sums of squares neither cancel nor overflow.
    centre, spread = truth.mean(), max(np.abs(truth - truth.mean()).max(), np.abs(answers - truth.mean()).max(), 1e-300)
    truth, answers = (truth - centre) / spread, (answers - centre) / spread
    facts = [np.abs(errors), (errors / spread) ** 2, truth, answers, truth**2, answers**2, truth * answers]

    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        absolute, squared, truth, answers, truth2, answers2, both = np.moveaxis(sums / rows, -1, 0)
        truth_variance, answer_variance = _no_noise(truth2 - truth**2), _no_noise(answers2 - answers**2)
        with np.errstate(divide="ignore", invalid="ignore"):
            r2 = 1 - squared / truth_variance
            pearson = (both - truth * answers) / np.sqrt(truth_variance * answer_variance)
        return {"mae": absolute, "rmse": np.sqrt(squared) * spread, "r2": r2, "pearson": np.clip(pearson, -1, 1)}

    return Tally(csr_array(np.stack(facts, axis=1)), figures)


def precision_recall_f1(
    hits: np.ndarray, answered: np.ndarray, actual: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall and F1 from counts of any shape; 0 where a denominator is 0."""
    return _ratio(hits, answered), _ratio(hits, actual), _ratio(2 * hits, answered + actual)


def averages(hits: np.ndarray, answered: np.ndarray, actual: np.ndarray) -> dict[str, np.ndarray]:
    """Macro and weighted figures from counts `[..., labels]`.

    The macro average is over the labels that occur in truth or answers, as in scikit-learn.
    """
    occurs = answered + actual > 0
    figures = dict(zip(("precision", "recall", "f1"), precision_recall_f1(hits, answered, actual), strict=True))
    macro = {f"macro_{name}": _ratio((value * occurs).sum(-1), occurs.sum(-1)) for name, value in figures.items()}
    weighted = {f"weighted_{name}": _ratio((value * actual).sum(-1), actual.sum(-1)) for name, value in figures.items()}
    return macro | weighted


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    out = np.zeros(np.broadcast_shapes(np.shape(part), np.shape(whole)))
    return np.divide(part, whole, out=out, where=np.asarray(whole) > 0)


def _no_noise(variance: np.ndarray) -> np.ndarray:
    """Zero for a variance that is only rounding; values are scaled to at most one."""
    return np.where(variance < 1e-14, 0.0, variance)


def _one_hot(numbers: np.ndarray, labels: int) -> csr_array:
    from scipy.sparse import csr_array

    rows = len(numbers)
    return csr_array((np.ones(rows), (np.arange(rows), numbers)), shape=(rows, labels))


def _log_losses(evaluated: EvaluatedRows) -> np.ndarray:
    """`[rows]` float64: negative log-probability of the truth; the mean over labels for multi-label."""
    probabilities = np.clip(evaluated.answers, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY).astype(np.float64)
    if evaluated.kind == "class":
        return -np.log(probabilities[np.arange(len(evaluated)), evaluated.truth])
    return -np.where(evaluated.truth == 1, np.log(probabilities), np.log1p(-probabilities)).mean(axis=1)


def _brier_scores(evaluated: EvaluatedRows) -> np.ndarray:
    """`[rows]` float64: squared error of the probabilities.

    For one label of more than two it is summed over labels (0 to 2); for two labels, and for multi-label, it is the
    mean over labels (0 to 1). That is scikit-learn's convention.
    """
    if evaluated.kind == "classes":
        return ((evaluated.answers - evaluated.truth) ** 2).mean(axis=1, dtype=np.float64)
    errors = evaluated.answers.astype(np.float64)
    errors[np.arange(len(evaluated)), evaluated.truth] -= 1
    scores = (errors**2).sum(axis=1)
    return scores / 2 if len(evaluated.label_names) == 2 else scores


# ---- figures that are not sums over rows


def _order_figures(evaluated: EvaluatedRows) -> dict[str, float | None]:
    from scipy.stats import rankdata

    truth, answers = rankdata(evaluated.truth), rankdata(evaluated.answers)
    varies = np.ptp(truth) > 0 and np.ptp(answers) > 0
    return {
        "spearman": _finite(np.corrcoef(truth, answers)[0, 1]) if varies else None,
        "median_absolute_error": _finite(np.median(np.abs(evaluated.answers.astype(np.float64) - evaluated.truth))),
    }


def _per_class(evaluated: EvaluatedRows) -> dict[str, dict[str, Any]]:
    labels = len(evaluated.label_names)
    if evaluated.kind == "class":
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
        if evaluated.kind == "classes":
            per_class[name]["threshold"] = float(evaluated.label_thresholds[number])
    return per_class


def _ranking_figures(evaluated: EvaluatedRows, number: int) -> dict[str, float | None]:
    """ROC-AUC and average precision of one label against the rest; None without rows of both sides."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    truth = evaluated.truth == number if evaluated.kind == "class" else evaluated.truth[:, number] == 1
    if truth.all() or not truth.any() or len(evaluated.label_names) > MOST_RANKED_LABELS:
        return {"roc_auc": None, "average_precision": None}
    probabilities = evaluated.answers[:, number]
    return {
        "roc_auc": float(roc_auc_score(truth, probabilities)),
        "average_precision": float(average_precision_score(truth, probabilities)),
    }


def _calibration(evaluated: EvaluatedRows) -> dict[str, Any]:
    """Reliability of the answer's probability (one label), or of every label's (multi-label)."""
    if evaluated.kind == "class":
        return reliability(evaluated.answers.max(axis=1), evaluated.given == evaluated.truth)
    return reliability(evaluated.answers.ravel(), evaluated.truth.ravel() == 1)


def _confusion(evaluated: EvaluatedRows) -> dict[str, Any]:
    names, labels = list(evaluated.label_names), len(evaluated.label_names)
    if evaluated.kind == "classes":
        truth, given = evaluated.truth.astype(bool), evaluated.given
        cells = [[~truth & ~given, ~truth & given], [truth & ~given, truth & given]]
        counts = np.array([[cell.sum(axis=0) for cell in row] for row in cells])  # [2, 2, labels]
        return {"labels": names, "counts": np.moveaxis(counts, -1, 0).tolist()}
    counts = confusion_counts(evaluated.truth, evaluated.given, labels)
    support = counts.sum(axis=1, keepdims=True)
    confusion: dict[str, Any] = {"labels": names, "counts": None, "normalised": None}
    if labels <= MOST_CONFUSION_LABELS:
        confusion["counts"] = counts.tolist()
        confusion["normalised"] = np.round(_ratio(counts, support), 6).tolist()
    return confusion | {"most_confused": confused_pairs(counts, names)}


def confused_pairs(counts: np.ndarray, names: list[str]) -> list[dict[str, Any]]:
    """The most frequent confusions of a matrix whose rows are true labels, with their share of the true label."""
    support = counts.sum(axis=1)
    confusions = counts - np.diag(np.diag(counts))
    order = np.argsort(-confusions, axis=None, kind="stable")[:MOST_CONFUSED_PAIRS]
    pairs = zip(*np.unravel_index(order, counts.shape), strict=True)
    return [
        {"truth": names[t], "answer": names[a], "count": int(counts[t, a]), "share": float(counts[t, a] / support[t])}
        for t, a in pairs
        if confusions[t, a]
    ]


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
