"""Evaluates tagging: precision, recall and F1 of entities, by label and by fault."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sftkeras.evaluation import pictures
from sftkeras.evaluation.baselines import Baselines, ReadTexts
from sftkeras.evaluation.contract import Evaluation, Pictures, Report
from sftkeras.evaluation.statistics.metrics import CALIBRATION_OF_SCORES, MACRO_F1, Metric, Scores, Tally
from sftkeras.tasks.tagging.baselines import fit_entity_baselines
from sftkeras.tasks.tagging.mistakes import WORDS, worst_entity_mistakes
from sftkeras.tasks.tagging.pictures import fault_figure
from sftkeras.tasks.tagging.scores import EvaluatedEntities, entity_tally, read_entities, score_entities

METRICS = {
    "entity_f1": Metric("Entity F1", "precision and recall of entities in one"),
    "entity_precision": Metric("Entity precision", "share of predicted entities whose characters and label are right"),
    "entity_recall": Metric("Entity recall", "share of the true entities that were predicted so"),
    "macro_f1": MACRO_F1,
    "partial_f1": Metric("Partial F1", "F1 if an overlap counts half, whatever the label (SemEval 2013)"),
    "boundary_f1": Metric("Boundary F1", "F1 if the characters must be right, whatever the label (SemEval 2013)"),
    "label_f1": Metric("Label F1", "F1 if the label must be right and the characters overlap (SemEval 2013)"),
    "entity_ece": CALIBRATION_OF_SCORES,
}


class EntitiesEvaluation(Evaluation):
    """Evaluates the entities that a model finds in texts."""

    task = "tagging"
    label_kind = "spans"
    headline = "entity_f1"
    outputs = ("label", "score", "start", "end")
    metrics = METRICS
    cards = ("macro_f1", "entity_precision", "entity_recall", "partial_f1")
    calibration_error = "entity_ece"
    units = "entities"
    descriptions: ClassVar[Mapping[str, tuple[str, str]]] = {
        "faults": (
            "Entities by kind of error",
            "Bars of the true entities of each label: right, wrong in some way, missed.",
        ),
    }
    template = Path(__file__).with_name("report")

    def evaluated(
        self, rows: dict[str, Any], truth: Any, predictions: dict[str, np.ndarray], label_names: tuple[str, ...]
    ) -> EvaluatedEntities:
        """Entities found beside the true ones."""
        return read_entities(rows, truth, predictions, label_names)

    def tally(self, evaluated: EvaluatedEntities) -> Tally:
        """Counts of matches."""
        return entity_tally(evaluated)

    def scores(self, evaluated: EvaluatedEntities) -> Scores:
        """Every figure, also of each label."""
        return score_entities(evaluated)

    def baselines(self, read_texts: ReadTexts, train_truth: Any, evaluated: EvaluatedEntities, seed: int) -> Baselines:
        """Each word's most frequent tag, and a dictionary of the training entities."""
        return fit_entity_baselines(read_texts, train_truth, evaluated, seed)

    def mistakes(self, evaluated: EvaluatedEntities, limit: int) -> list[dict[str, Any]]:
        """Entities that are wrong or missed."""
        return worst_entity_mistakes(evaluated, limit)

    def figures(self, evaluated: EvaluatedEntities, report: Report) -> Pictures:
        """Entities by kind of error, confusion, and calibration if any was found."""
        confusion = report["confusion"]
        figures = {
            "faults": fault_figure(report["per_class"]),
            "confusion": pictures.confusion_figure(np.array(confusion["counts"]), confusion["labels"]),
        }
        if report["calibration"]:
            figures["reliability"] = pictures.reliability_figure(report["calibration"])
        return figures

    def view(self, report: Report) -> dict[str, Any]:
        """`faults`: how many entities of all labels are right, or wrong in each way, in words."""
        rows = [row["faults"] for row in report["per_class"].values()]
        return {
            "faults": [(name, sum(row[fault] for row in rows)) for fault, name in {"right": "right", **WORDS}.items()]
        }
