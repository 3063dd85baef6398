"""Causal language modelling before TensorFlow is loaded: settings, data, predictions."""

# mypy: disable-error-code="valid-type"

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sftkeras.config import TaskSettings
from sftkeras.data.labels.contract import LabelKind
from sftkeras.data.labels.no_labels import NO_LABELS
from sftkeras.tasks import contract


@dataclass(frozen=True)
class CausalLMSettings(TaskSettings):
    """Causal language modelling: the next token of plain texts, which adapts a decoder to such texts"""

    kind: Literal["causal_lm"] = "causal_lm"
    """Name of the task."""


class CausalLMSpec(contract.TaskSpec):
    """See `TaskSpec`."""

    kind = "causal_lm"
    settings = CausalLMSettings
    refuses = ("pair", "mark", "augmentation")
    pools = False
    backbone_kind = "decoder"
    gives_backbone = True
    packs = True
    exports = False

    def label_kind(self, settings: Any) -> LabelKind:
        """No label."""
        return NO_LABELS

    def predicts(self, settings: Any) -> str:
        """The next token."""
        return "the next token of a text"

    def metrics(self, settings: Any) -> tuple[str, ...]:
        """Share of tokens that are predicted, and perplexity."""
        return ("token_accuracy", "perplexity")


SPEC = CausalLMSpec()
