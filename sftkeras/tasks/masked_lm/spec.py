"""Masked language modelling before TensorFlow is loaded: settings, data, predictions."""

# mypy: disable-error-code="valid-type"

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sftkeras.config import TaskSettings, TrainConfig
from sftkeras.config.values import Fraction
from sftkeras.data.labels.contract import LabelKind
from sftkeras.data.labels.no_labels import NO_LABELS
from sftkeras.tasks import contract
from sftkeras.tasks.config_checks import check_installed


@dataclass(frozen=True)
class MaskedLMSettings(TaskSettings):
    """Masked language modelling: masked tokens of unlabelled texts, which adapts the encoder to such texts"""

    kind: Literal["masked_lm"] = "masked_lm"
    """Name of the task."""
    mask_share: Fraction = 0.15
    """Share of the tokens that are masked, drawn anew for every batch."""
    whole_words: bool = True
    """Mask all tokens of a word or none; false masks each token by itself."""
    chinese_words: bool = False
    """Mask whole Chinese words by jieba's dictionary (pip install 'sftkeras[chinese]'), not single characters."""


class MaskedLMSpec(contract.TaskSpec):
    """See `TaskSpec`."""

    kind = "masked_lm"
    settings = MaskedLMSettings
    refuses = ("pair", "augmentation")
    pools = False
    gives_backbone = True

    def label_kind(self, settings: Any) -> LabelKind:
        """No label."""
        return NO_LABELS

    def predicts(self, settings: Any) -> str:
        """Masked tokens."""
        return "masked tokens"

    def metrics(self, settings: Any) -> tuple[str, ...]:
        """Share of masked tokens that are predicted."""
        return ("masked_accuracy",)

    def check(self, config: TrainConfig) -> None:
        """Also makes sure that the dictionary of Chinese words is installed where it is used.

        Raises:
            SFTError: SFT107.
        """
        super().check(config)
        if config.task.chinese_words:  # type: ignore[attr-defined]
            check_installed("jieba", "chinese")

    def evaluation(self, settings: Mapping[str, Any]) -> contract.Evaluation:
        """See `MasksEvaluation`."""
        from sftkeras.tasks.masked_lm.evaluation import MasksEvaluation

        return MasksEvaluation(settings)


SPEC = MaskedLMSpec()
