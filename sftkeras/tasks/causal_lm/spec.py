"""Causal language modelling before TensorFlow is loaded: settings, data, predictions."""

# mypy: disable-error-code="valid-type"

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jsonargparse.typing import NonNegativeFloat

from sftkeras.config import TaskSettings, TrainConfig
from sftkeras.data.labels.contract import LabelKind
from sftkeras.data.labels.no_labels import NO_LABELS
from sftkeras.tasks import contract
from sftkeras.tasks.retention import check_retention_text


@dataclass(frozen=True)
class CausalLMSettings(TaskSettings):
    """Causal language modelling: the next token of plain texts, which adapts a decoder to such texts"""

    kind: Literal["causal_lm"] = "causal_lm"
    """Name of the task."""
    embedding_noise: NonNegativeFloat = 0.0
    """Noise on token vectors in training, drawn anew for each step (NEFTune): 5 is usual, 0 adds none."""
    retention_text: str | None = None
    """Text file on other matters, of which the report shows the perplexity before and after: what fine-tuning made the
    model forget. The first 80,000 characters are read."""


class CausalLMSpec(contract.TaskSpec):
    """See `TaskSpec`."""

    kind = "causal_lm"
    settings = CausalLMSettings
    refuses = ("pair", "mark", "augmentation")
    pools = False
    adds_tokens = False  # they come from a chat template alone: what a text says is never one
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

    def check(self, config: TrainConfig) -> None:
        """Also makes sure that the retention text can be read.

        Raises:
            SFTError: SFT621.
        """
        super().check(config)
        check_retention_text(config.task.retention_text)  # type: ignore[attr-defined]

    def evaluation(self, settings: Mapping[str, Any]) -> contract.Evaluation:
        """See `TextsEvaluation`."""
        from sftkeras.tasks.causal_lm.evaluation import TextsEvaluation

        return TextsEvaluation(settings)


SPEC = CausalLMSpec()
