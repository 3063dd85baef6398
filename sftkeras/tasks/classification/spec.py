"""Classification before TensorFlow is loaded: what its data must have, and what it predicts."""

from __future__ import annotations

from typing import Any

from sftkeras.data.labels.classes.kind import ONE_LABEL, SEVERAL_LABELS
from sftkeras.data.labels.contract import LabelKind
from sftkeras.tasks.contract import TaskSpec


class ClassificationSpec(TaskSpec):
    """See `TaskSpec`."""

    kind = "classification"

    def label_kind(self, settings: Any) -> LabelKind:
        """One label a text, or with `multi_label` none, one or several."""
        return SEVERAL_LABELS if settings.multi_label else ONE_LABEL

    def predicts(self, settings: Any) -> str:
        """Labels."""
        return "labels" if settings.multi_label else "one label a text"

    def metrics(self, settings: Any) -> tuple[str, ...]:
        """Accuracy where there is one label a text, else F1 averaged in two ways."""
        return ("macro_f1", "micro_f1") if settings.multi_label else ("accuracy", "macro_f1")


SPEC = ClassificationSpec()
