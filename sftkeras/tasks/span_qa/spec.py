"""Extractive question answering before TensorFlow is loaded: what its data must have, and what it predicts."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from sftkeras.data.labels.answers.kind import ANSWERS
from sftkeras.data.labels.contract import LabelKind
from sftkeras.tasks.contract import TaskSpec


class SpanQASpec(TaskSpec):
    """See `TaskSpec`."""

    kind = "span_qa"
    refuses = ("augmentation",)
    columns: ClassVar[Mapping[str, str]] = MappingProxyType({"text": "question", "pair": "context"})
    pools = False

    def label_kind(self, settings: Any) -> LabelKind:
        """Spans of the context that answer the question."""
        return ANSWERS

    def predicts(self, settings: Any) -> str:
        """Parts of contexts."""
        return "answers out of a context"

    def metrics(self, settings: Any) -> tuple[str, ...]:
        """F1 of characters."""
        return ("span_f1",)


SPEC = SpanQASpec()
