"""Settings of distillation: a trained model that another learns from."""

# mypy: disable-error-code="valid-type"

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

from jsonargparse.typing import PositiveFloat

from sftkeras.config.values import Probability


@dataclass(frozen=True)
class DistillationConfig:
    """A trained model, the teacher, whose outputs are learned beside the labels"""

    teacher: str | None = None
    """Folder of a run or of an exported model of the same task and labels, such as runs/reviews or
    saved_models/reviews; null learns from the labels alone."""
    weight: Probability = 0.5
    """Share of the loss that is the distance from the teacher's outputs; the rest is that from the labels."""
    temperature: PositiveFloat = 2.0
    """Both models' logits are divided by it before they are compared: the higher, the more unlikely labels count."""

    SHORT_FOR: ClassVar = "teacher"

    @property
    def changed(self) -> tuple[str, ...]:
        """The names of the settings, beside the teacher, that are not as they are by default."""
        default = DistillationConfig()
        names = (each.name for each in fields(self) if each.name != "teacher")
        return tuple(name for name in names if getattr(self, name) != getattr(default, name))
