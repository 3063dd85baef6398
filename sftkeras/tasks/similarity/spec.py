"""Similarity before TensorFlow is loaded: settings, data, predictions."""

# mypy: disable-error-code="valid-type"

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jsonargparse.typing import PositiveFloat

from sftkeras.config import TaskSettings
from sftkeras.config.values import Probability
from sftkeras.data.labels.contract import LabelKind
from sftkeras.data.labels.no_labels import NO_LABELS
from sftkeras.data.labels.numbers.kind import NUMBERS
from sftkeras.tasks import contract


@dataclass(frozen=True)
class SimilaritySettings(TaskSettings):
    """Similarity: a vector for each text, learned from pairs of texts"""

    kind: Literal["similarity"] = "similarity"
    """Name of the task."""
    loss: Literal["multiple_negatives", "contrastive", "cosine"] = "multiple_negatives"
    """multiple_negatives: related pairs without labels; the other texts of a batch are the negatives. contrastive:
    pairs labelled 1 (related) or 0 (unrelated). cosine: pairs with a number that their cosine similarity learns."""
    temperature: PositiveFloat = 0.05
    """For multiple_negatives: cosine similarities are divided by it; a smaller one gives hard negatives more weight."""
    margin: Probability = 0.5
    """For contrastive: unrelated pairs farther apart than this add no loss. The distance is one minus the cosine."""


class SimilaritySpec(contract.TaskSpec):
    """See `TaskSpec`."""

    kind = "similarity"
    settings = SimilaritySettings
    needs_pair = True
    distils = ("weight",)

    def label_kind(self, settings: Any) -> LabelKind:
        """No label for related pairs, else a number for each pair."""
        return NO_LABELS if settings.loss == "multiple_negatives" else NUMBERS

    def predicts(self, settings: Any) -> str:
        """Vectors, and how they are learned."""
        return f"vectors learned by {settings.loss}"

    def metrics(self, settings: Any) -> tuple[str, ...]:
        """Accuracy in the batch, or the correlation with the numbers."""
        return ("in_batch_accuracy",) if settings.loss == "multiple_negatives" else ("pearson",)

    def unused(self, settings: Any) -> tuple[str, ...]:
        """Settings of the other losses."""
        of_one_loss = {"temperature": "multiple_negatives", "margin": "contrastive"}
        return tuple(name for name, loss in of_one_loss.items() if settings.loss != loss)

    def evaluation(self, settings: Mapping[str, Any]) -> contract.Evaluation:
        """By ranks for related pairs, by correlation for pairs with numbers."""
        from sftkeras.tasks.similarity.evaluation import MatchesEvaluation, ScoresEvaluation

        matching = settings.get("loss", "multiple_negatives") == "multiple_negatives"
        return MatchesEvaluation(settings) if matching else ScoresEvaluation(settings)


SPEC = SimilaritySpec()
