"""Classification before TensorFlow is loaded: settings, data, predictions."""

# mypy: disable-error-code="valid-type"

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from jsonargparse.typing import NonNegativeFloat

from sftkeras.config import TaskSettings, TrainConfig
from sftkeras.config.names import by_name
from sftkeras.config.objective import ROW_OBJECTIVES
from sftkeras.config.values import Probability, UnitInterval
from sftkeras.data.labels.classes.kind import ONE_LABEL, SEVERAL_LABELS
from sftkeras.data.labels.contract import LabelKind
from sftkeras.errors import SFTError
from sftkeras.tasks import contract
from sftkeras.tasks.config_checks import objective_refused


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
    class_weights: dict[str, float] | Literal["balanced", "effective_number"] | None = None
    """Weight of each label's examples in the loss: null, balanced (inverse to frequency), effective_number (by
    effective_beta, frequent labels weigh more than with balanced), or {label: weight}."""
    effective_beta: UnitInterval = 0.999
    """Beta of class_weights effective_number: 0 weights all labels alike, near 1 it is balanced."""
    focal_gamma: NonNegativeFloat = 0.0
    """Gamma of the focal loss, which counts less what is predicted well: 0 is cross-entropy, 2 is usual."""

    def __post_init__(self) -> None:
        """Converts names given in Python to text."""
        if isinstance(self.class_weights, dict):
            object.__setattr__(self, "class_weights", by_name(self.class_weights))


class ClassificationSpec(contract.TaskSpec):
    """See `TaskSpec`."""

    kind = "classification"
    settings = ClassificationSettings
    objectives = (*ROW_OBJECTIVES, "contrastive")
    draws = True
    distils = ("weight", "temperature", "hidden", "attention", "layers", "relations")

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

    def check(self, config: TrainConfig) -> None:
        """Checks the settings, and those of the loss together.

        Raises:
            SFTError: SFT115 for `effective_beta` of other class weights, SFT102 for focal loss of smoothed labels,
                SFT413 for the contrastive objective of texts with several labels; or as for any task.
        """
        super().check(config)
        task = cast(ClassificationSettings, config.task)
        if task.class_weights != "effective_number" and task.effective_beta != ClassificationSettings().effective_beta:
            choice = "these --task.class_weights" if task.class_weights else "no --task.class_weights"
            raise SFTError("SFT115", setting="--task.effective_beta", choice=choice, users="effective_number")
        if task.focal_gamma and task.label_smoothing:
            problem = "the focal loss is of labels that are not smoothed. Leave out --task.label_smoothing."
            raise SFTError("SFT102", flag="--task.focal_gamma", problem=problem)

        if task.multi_label and config.objective.compares_text_vectors:
            raise objective_refused(self, config, ROW_OBJECTIVES)

    def evaluation(self, settings: Mapping[str, Any]) -> contract.Evaluation:
        """See `OneLabelEvaluation` and `ManyLabelsEvaluation`."""
        from sftkeras.tasks.classification.evaluation import ManyLabelsEvaluation, OneLabelEvaluation

        return ManyLabelsEvaluation(settings) if settings.get("multi_label") else OneLabelEvaluation(settings)


SPEC = ClassificationSpec()
