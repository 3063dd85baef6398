"""Tagging before TensorFlow is loaded: what its data must have, and what it predicts."""

from __future__ import annotations

from typing import Any

from sftkeras.data.labels.contract import LabelKind
from sftkeras.data.labels.spans.kind import ENTITIES
from sftkeras.tasks.contract import TaskSpec


class TaggingSpec(TaskSpec):
    """See `TaskSpec`."""

    kind = "tagging"
    pools = False

    def label_kind(self, settings: Any) -> LabelKind:
        """Labelled spans of characters."""
        return ENTITIES

    def predicts(self, settings: Any) -> str:
        """Entities."""
        return "entities"

    def metrics(self, settings: Any) -> tuple[str, ...]:
        """F1 of whole entities."""
        return ("entity_f1",)


SPEC = TaggingSpec()
