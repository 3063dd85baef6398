"""Settings of distillation: a trained model that another learns from."""

# mypy: disable-error-code="valid-type"

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

from jsonargparse.typing import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from sftkeras.config.values import Probability


@dataclass(frozen=True)
class DistillationConfig:
    """A trained model, the teacher, whose outputs are learned beside the labels"""

    teacher: str | None = None
    """Folder of a run or of an exported model of the same task, such as runs/reviews or saved_models/reviews, which may
    know fewer labels; null learns from the labels alone."""
    weight: Probability = 0.5
    """Share of the loss that is the distance from the teacher's outputs; the rest is that from the labels."""
    temperature: PositiveFloat = 2.0
    """Both models' logits are divided by it before they are compared: the higher, the more unlikely labels count."""
    top_k: PositiveInt = 32
    """Tokens of each learned place that are kept of a teacher of chat or causal_lm: the most probable ones, whose
    probabilities are made to sum to one. Each takes 6 bytes on disk."""

    hidden: NonNegativeFloat = 0.0
    """Weight of the distance of hidden states from the teacher's, beside all else; the teacher is a run whose encoder
    is as wide."""
    attention: NonNegativeFloat = 0.0
    """Weight of the distance of attention before softmax, layer by layer, beside all else; the teacher is a run whose
    encoder has as many heads."""
    layers: list[NonNegativeInt] | None = None
    """Layers of the teacher whose hidden states and attention the model's layers learn, one for each, from 0, such as
    [1, 3, 5]; null takes such in like distances, the last among them."""
    relations: NonNegativeFloat = 0.0
    """Weight of the distance of how tokens relate to one another in the last layer, as MiniLM learns it; the teacher is
    a run, of any width."""

    SHORT_FOR: ClassVar = "teacher"

    @property
    def looks_inside(self) -> bool:
        """Whether more is learned than the teacher's outputs, for which it runs beside the model in each step."""
        return bool(self.hidden or self.attention or self.relations)

    @property
    def changed(self) -> tuple[str, ...]:
        """The names of the settings, beside the teacher, that are not as they are by default."""
        default = DistillationConfig()
        names = (each.name for each in fields(self) if each.name != "teacher")
        return tuple(name for name in names if getattr(self, name) != getattr(default, name))
