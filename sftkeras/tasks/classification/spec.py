"""Classification before TensorFlow is loaded: settings, data, predictions."""

# mypy: disable-error-code="valid-type"

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sftkeras.config import TaskSettings
from sftkeras.config.names import by_name
from sftkeras.config.objective import OBJECTIVES
from sftkeras.config.values import Probability, UnitInterval
from sftkeras.data.labels.classes.kind import ONE_LABEL, SEVERAL_LABELS
from sftkeras.data.labels.contract import LabelKind
from sftkeras.tasks import contract


@dataclass(frozen=True)
class ClassificationSettings(TaskSettings):
    """Classification: one label for each text, or several"""

    kind: Literal["classification"] = "classification"
    """Name of the task."""
    multi_label: bool = False
    """A text may have none, one or several labels."""
    threshold: Probability = 0.5
    """Probability from which a label is predicted, when multi_label is true."""
    dropout: UnitInterval = 0.1
    """Share of the pooled features that the head drops in training."""
    label_smoothing: UnitInterval = 0.0
    """Share of the target probability that is spread over all labels."""
    class_weights: dict[str, float] | Literal["balanced"] | None = None
    """Weight of each label's examples in the loss: null, balanced (inverse to frequency), or {label: weight}."""

    def __post_init__(self) -> None:
        """Converts names given in Python to text."""
        if isinstance(self.class_weights, dict):
            object.__setattr__(self, "class_weights", by_name(self.class_weights))


class ClassificationSpec(contract.TaskSpec):
    """See `TaskSpec`."""

    kind = "classification"
    settings = ClassificationSettings
    objectives = OBJECTIVES
    distils = ("weight", "temperature", "hidden", "layers", "relations")

    def label_kind(self, settings: Any) -> LabelKind:
        """One label a text, or with `multi_label` none, one or several."""
        return SEVERAL_LABELS if settings.multi_label else ONE_LABEL

    def predicts(self, settings: Any) -> str:
        """Labels."""
        return "labels" if settings.multi_label else "one label a text"

    def metrics(self, settings: Any) -> tuple[str, ...]:
        """Accuracy where there is one label a text, else F1 averaged in two ways."""
        return ("macro_f1", "micro_f1") if settings.multi_label else ("accuracy", "macro_f1")

    def unused(self, settings: Any) -> tuple[str, ...]:
        """The threshold, where each text has one label."""
        return () if settings.multi_label else ("threshold",)

    def evaluation(self, settings: Mapping[str, Any]) -> contract.Evaluation:
        """See `OneLabelEvaluation` and `ManyLabelsEvaluation`."""
        from sftkeras.tasks.classification.evaluation import ManyLabelsEvaluation, OneLabelEvaluation

        return ManyLabelsEvaluation(settings) if settings.get("multi_label") else OneLabelEvaluation(settings)


SPEC = ClassificationSpec()
