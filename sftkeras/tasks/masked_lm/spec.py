"""Masked language modelling before TensorFlow is loaded: what its data must have, and what it predicts."""

from __future__ import annotations

from typing import Any

from sftkeras.data.labels.contract import LabelKind
from sftkeras.data.labels.no_labels import NO_LABELS
from sftkeras.tasks.contract import TaskSpec


class MaskedLMSpec(TaskSpec):
    """See `TaskSpec`."""

    kind = "masked_lm"
    refuses = ("pair", "augmentation")
    pools = False
    predicts_untuned = True
    gives_backbone = True

    def label_kind(self, settings: Any) -> LabelKind:
        """No label."""
        return NO_LABELS

    def predicts(self, settings: Any) -> str:
        """Masked words."""
        return "masked words"

    def metrics(self, settings: Any) -> tuple[str, ...]:
        """Share of masked tokens that are predicted."""
        return ("masked_accuracy",)


SPEC = MaskedLMSpec()
