"""Evaluates classification: accuracy, F1, ROC-AUC, calibration and confusion of labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sftkeras.evaluation import pictures
from sftkeras.evaluation.baselines import Baselines, ReadTexts
from sftkeras.evaluation.contract import Evaluation, Pictures, Report
from sftkeras.evaluation.statistics.bootstrap import mcnemar
from sftkeras.evaluation.statistics.confusion import confusion_counts
from sftkeras.evaluation.statistics.metrics import MACRO_F1, Metric, Scores, Tally
from sftkeras.tasks.classification.baselines import fit_label_baselines
from sftkeras.tasks.classification.mistakes import wrong_decision_mistakes, wrong_label_mistakes
from sftkeras.tasks.classification.pictures import precision_recall_figure
from sftkeras.tasks.classification.scores import EvaluatedLabels, score_labels, tally_labels

MOST_CURVES = 20  # labels drawn in TensorBoard

METRICS = {
    "accuracy": Metric("Accuracy", "share of texts that got the right label"),
    "subset_accuracy": Metric("Subset accuracy", "share of texts whose labels are all right"),
    "hamming_loss": Metric("Hamming loss", "share of label decisions that are wrong", higher_is_better=False),
    "micro_precision": Metric("Micro precision", "share of the given labels that are right"),
    "micro_recall": Metric("Micro recall", "share of the true labels that were given"),
    "micro_f1": Metric("Micro F1", "precision and recall in one, each label decision counted once"),
    "macro_precision": Metric("Macro precision", "precision, averaged over labels"),
    "macro_recall": Metric("Macro recall", "recall, averaged over labels"),
    "macro_f1": MACRO_F1,
    "weighted_precision": Metric("Weighted precision", "precision, averaged over labels by their support"),
    "weighted_recall": Metric("Weighted recall", "recall, averaged over labels by their support"),
    "weighted_f1": Metric("Weighted F1", "F1, averaged over labels by their support"),
    "roc_auc": Metric("ROC-AUC", "chance that a text of the label gets a higher probability than one without it"),
    "average_precision": Metric("Average precision", "area under the precision-recall curve, averaged over labels"),
    "ece": Metric("Calibration error", "how far probabilities are from the share that is right (ECE)", True, False),
    "brier": Metric("Brier score", "mean squared error of the probabilities", False, False),
    "log_loss": Metric("Log loss", "mean negative log-probability of the truth", False, False),
}


class LabelsEvaluation(Evaluation):
    """Evaluates probabilities of labels; what a text with one label and one with several have in common."""

    task = "classification"
    outputs = ("probabilities",)
    metrics = METRICS
    cards = ("macro_f1", "subset_accuracy", "roc_auc", "ece")
    shares_of_rows = ("accuracy", "subset_accuracy")
    constant_baseline = "majority"
    descriptions: ClassVar[Mapping[str, tuple[str, str]]] = {
        "precision-recall": ("Precision and recall", "Precision over recall, one curve for each label."),
    }
    template = Path(__file__).with_name("report")

    def tally(self, evaluated: EvaluatedLabels) -> Tally:
        """Hits, given and true labels, and errors of the probabilities."""
        return tally_labels(evaluated)

    def scores(self, evaluated: EvaluatedLabels) -> Scores:
        """Every figure, also of each label."""
        return score_labels(evaluated)

    def baselines(self, read_texts: ReadTexts, train_truth: Any, evaluated: EvaluatedLabels, seed: int) -> Baselines:
        """The majority, and TF-IDF with logistic regression."""
        return fit_label_baselines(read_texts, train_truth, evaluated, seed)

    def figures_for_browser(self, evaluated: EvaluatedLabels, figures: Pictures) -> Pictures:
        """Curves whose legend has the labels' own letters."""
        return figures | {"precision-recall": _curves(evaluated, for_browser=True)}

    def curves(self, evaluated: EvaluatedLabels) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """A curve for each of the first labels."""
        names = evaluated.label_names[:MOST_CURVES]
        return {
            name: (evaluated.has_label(number), evaluated.predictions[:, number]) for number, name in enumerate(names)
        }


class OneLabelEvaluation(LabelsEvaluation):
    """Evaluates texts that have one label each."""

    label_kind = "class"
    headline = "accuracy"

    def evaluated(
        self, rows: dict[str, Any], truth: Any, predictions: dict[str, np.ndarray], label_names: tuple[str, ...]
    ) -> EvaluatedLabels:
        """Probabilities beside label numbers."""
        return EvaluatedLabels(
            **rows, label_names=label_names, truth=np.asarray(truth), predictions=predictions["probabilities"]
        )

    def compared(self, evaluated: EvaluatedLabels, baseline: EvaluatedLabels) -> dict[str, Any]:
        """McNemar's test."""
        return {"mcnemar_p": mcnemar(evaluated.given == evaluated.truth, baseline.given == baseline.truth)}

    def mistakes(self, evaluated: EvaluatedLabels, limit: int) -> list[dict[str, Any]]:
        """Wrong labels, the most confident first."""
        return wrong_label_mistakes(evaluated, limit)

    def figures(self, evaluated: EvaluatedLabels, report: Report) -> Pictures:
        """Confusion, calibration, and precision over recall."""
        counts = confusion_counts(evaluated.truth, evaluated.given, len(evaluated.label_names))
        return {
            "confusion": pictures.confusion_figure(counts, evaluated.label_names),
            "reliability": pictures.reliability_figure(report["calibration"]),
            "precision-recall": _curves(evaluated),
        }


class ManyLabelsEvaluation(LabelsEvaluation):
    """Evaluates texts that have none, one or several labels."""

    label_kind = "classes"
    headline = "micro_f1"

    def evaluated(
        self, rows: dict[str, Any], truth: Any, predictions: dict[str, np.ndarray], label_names: tuple[str, ...]
    ) -> EvaluatedLabels:
        """Probabilities and thresholds beside flags of labels."""
        return EvaluatedLabels(
            **rows,
            label_names=label_names,
            truth=np.asarray(truth),
            predictions=predictions["probabilities"],
            multi_label=True,
            thresholds=np.full(len(label_names), self.settings["threshold"]),
        )

    def mistakes(self, evaluated: EvaluatedLabels, limit: int) -> list[dict[str, Any]]:
        """Texts with a wrong decision on a label, the most confident first."""
        return wrong_decision_mistakes(evaluated, limit)

    def figures(self, evaluated: EvaluatedLabels, report: Report) -> Pictures:
        """Calibration, and precision over recall."""
        return {
            "reliability": pictures.reliability_figure(report["calibration"], right="share that has the label"),
            "precision-recall": _curves(evaluated),
        }


def _curves(evaluated: EvaluatedLabels, *, for_browser: bool = False) -> Any:
    return precision_recall_figure(
        evaluated.truth, evaluated.predictions, evaluated.label_names, for_browser=for_browser
    )
