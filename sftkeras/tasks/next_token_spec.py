"""Parts that chat and causal_lm share before TensorFlow is loaded; see `sftkeras.tasks.next_tokens`."""

# mypy: disable-error-code="valid-type"

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jsonargparse.typing import NonNegativeFloat

from sftkeras.config import TaskSettings, TrainConfig
from sftkeras.tasks import contract
from sftkeras.tasks.retention import check_retention_text


@dataclass(frozen=True)
class NextTokenSettings(TaskSettings):
    """The settings that both have"""

    embedding_noise: NonNegativeFloat = 0.0
    """Noise on token vectors in training, drawn anew for each step (NEFTune): 5 is usual, 0 adds none."""
    retention_text: str | None = None
    """Text file on other matters, of which the report shows the perplexity before and after: what fine-tuning made the
    model forget. The first 80,000 characters are read."""


class NextTokenSpec(contract.TaskSpec):
    """See `TaskSpec`."""

    pools = False
    backbone_kind = "decoder"
    gives_backbone = True
    distils = ("weight", "top_k")
    distils_tokens = True
    packs = True

    def metrics(self, settings: Any) -> tuple[str, ...]:
        """Share of learned tokens that are predicted, and perplexity."""
        return ("token_accuracy", "perplexity")

    def check(self, config: TrainConfig) -> None:
        """Also makes sure that the retention text can be read.

        Raises:
            SFTError: SFT621.
        """
        super().check(config)
        check_retention_text(config.task.retention_text)  # type: ignore[attr-defined]
