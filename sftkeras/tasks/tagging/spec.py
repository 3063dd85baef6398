"""Tagging before TensorFlow is loaded: settings, data, predictions."""

# mypy: disable-error-code="valid-type"

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from sftkeras.config import TaskSettings
from sftkeras.config.objective import ROW_OBJECTIVES
from sftkeras.config.values import UnitInterval
from sftkeras.data.labels.contract import LabelKind
from sftkeras.data.labels.spans.kind import ENTITIES
from sftkeras.tasks import contract


@dataclass(frozen=True)
class TaggingSettings(TaskSettings):
    """Tagging: the entities in a text, or a label for each word"""

    kind: Literal["tagging"] = "tagging"
    """Name of the task."""
    dropout: UnitInterval = 0.1
    """Share of each token's features that the head drops in training."""
    constrained_decoding: bool = True
    """Choose the most probable legal sequence of tags; false takes the most probable tag of each word."""


class TaggingSpec(contract.TaskSpec):
    """See `TaskSpec`."""

    kind = "tagging"
    settings = TaggingSettings
    objectives = ROW_OBJECTIVES
    draws = True
    distils = ("weight", "temperature", "hidden", "attention", "layers", "relations")
    distils_tokens = True
    found: ClassVar[Mapping[str, str]] = MappingProxyType({"text": "text", "label": "label"})
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

    def evaluation(self, settings: Mapping[str, Any]) -> contract.Evaluation:
        """See `EntitiesEvaluation`."""
        from sftkeras.tasks.tagging.evaluation import EntitiesEvaluation

        return EntitiesEvaluation(settings)


SPEC = TaggingSpec()
