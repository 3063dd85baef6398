"""Causal language modelling before TensorFlow is loaded: settings, data, predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sftkeras.data.labels.contract import LabelKind
from sftkeras.data.labels.no_labels import NO_LABELS
from sftkeras.tasks import contract
from sftkeras.tasks.next_token_spec import NextTokenSettings, NextTokenSpec


@dataclass(frozen=True)
class CausalLMSettings(NextTokenSettings):
    """Causal language modelling: the next token of plain texts, which adapts a decoder to such texts"""

    kind: Literal["causal_lm"] = "causal_lm"
    """Name of the task."""


class CausalLMSpec(NextTokenSpec):
    """See `TaskSpec`."""

    kind = "causal_lm"
    settings = CausalLMSettings
    refuses = ("pair", "mark", "augmentation")
    adds_tokens = False  # they come from a chat template alone: what a text says is never one

    def label_kind(self, settings: Any) -> LabelKind:
        """No label."""
        return NO_LABELS

    def predicts(self, settings: Any) -> str:
        """The next token."""
        return "the next token of a text"

    def predictor(
        self, settings: Mapping[str, Any], version: contract.ExportedFunctions, batch_size: int
    ) -> contract.Predict:
        """Scores all rows, and continues a few texts, as in memory."""
        from sftkeras.tasks.causal_lm.continuing import exported_predictor

        return exported_predictor(version, batch_size)

    def evaluation(self, settings: Mapping[str, Any]) -> contract.Evaluation:
        """See `TextsEvaluation`."""
        from sftkeras.tasks.causal_lm.evaluation import TextsEvaluation

        return TextsEvaluation(settings)


SPEC = CausalLMSpec()
