"""Similarity before TensorFlow is loaded: what its data must have, and what it predicts."""

from __future__ import annotations

from typing import Any

from sftkeras.data.labels.contract import LabelKind
from sftkeras.data.labels.no_labels import NO_LABELS
from sftkeras.data.labels.numbers.kind import NUMBERS
from sftkeras.tasks.contract import TaskSpec


class SimilaritySpec(TaskSpec):
    """See `TaskSpec`."""

    kind = "similarity"
    needs_pair = True
    predicts_untuned = True

    def label_kind(self, settings: Any) -> LabelKind:
        """None where pairs belong together, else a number a pair."""
        return NO_LABELS if settings.loss == "multiple_negatives" else NUMBERS

    def predicts(self, settings: Any) -> str:
        """Vectors, and how they are learned."""
        return f"vectors learned by {settings.loss}"

    def metrics(self, settings: Any) -> tuple[str, ...]:
        """Accuracy in the batch, or the correlation with the numbers."""
        return ("in_batch_accuracy",) if settings.loss == "multiple_negatives" else ("pearson",)


SPEC = SimilaritySpec()
