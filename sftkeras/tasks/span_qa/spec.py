"""Extractive question answering before TensorFlow is loaded: settings, data, predictions."""

# mypy: disable-error-code="valid-type"

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from jsonargparse.typing import PositiveInt

from sftkeras.config import TaskSettings
from sftkeras.config.objective import ROW_OBJECTIVES
from sftkeras.config.values import Probability, UnitInterval
from sftkeras.data.labels.answers.kind import ANSWERS
from sftkeras.data.labels.contract import LabelKind
from sftkeras.tasks import contract


@dataclass(frozen=True)
class SpanQASettings(TaskSettings):
    """Extractive question answering: the part of a context that answers a question"""

    kind: Literal["span_qa"] = "span_qa"
    """Name of the task."""
    dropout: UnitInterval = 0.1
    """Share of each token's features that the head drops in training."""
    max_answer_length: PositiveInt = 30
    """Most tokens that an answer may have."""
    no_answer_threshold: Probability | None = None
    """Probability that the context has no answer, above which none is given; 1 always gives one. null takes the best
    one for the validation part, and 1 if every question there has an answer."""


class SpanQASpec(contract.TaskSpec):
    """See `TaskSpec`."""

    kind = "span_qa"
    settings = SpanQASettings
    objectives = ROW_OBJECTIVES
    draws = True
    distils = ("weight", "temperature", "hidden", "attention", "layers", "relations")
    distils_tokens = True
    refuses = ("augmentation",)
    columns: ClassVar[Mapping[str, str]] = MappingProxyType({"text": "question", "pair": "context"})
    found: ClassVar[Mapping[str, str]] = MappingProxyType({"label": "answers"})
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

    def evaluation(self, settings: Mapping[str, Any]) -> contract.Evaluation:
        """See `AnswersEvaluation`."""
        from sftkeras.tasks.span_qa.evaluation import AnswersEvaluation

        return AnswersEvaluation(settings)


SPEC = SpanQASpec()
