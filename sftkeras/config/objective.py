"""Settings of the objective: what training minimises."""

# mypy: disable-error-code="valid-type"

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from jsonargparse.typing import PositiveFloat, PositiveInt

from sftkeras.config.values import UnitInterval

ObjectiveKind = Literal["plain", "fgm", "pgd", "freelb", "smart", "r_drop", "contrastive"]
# Those of one text at a time.
ROW_OBJECTIVES: tuple[ObjectiveKind, ...] = tuple(kind for kind in get_args(ObjectiveKind) if kind != "contrastive")


@dataclass(frozen=True)
class ObjectiveConfig:
    """Loss to be minimised: that of the texts as they are, and of more"""

    kind: ObjectiveKind = "plain"
    """plain: the task's loss alone. fgm, pgd, freelb: also that of token vectors changed so that the loss rises
    (adversarial training). smart: also how far such changes move the predictions. r_drop: also how far the predictions
    of two dropout masks are apart. contrastive: also how far texts with the same label are apart (classification with
    one label)."""
    radius: PositiveFloat = 0.1
    """Largest change of a text's token vectors, as a share of their norm, all together (fgm, pgd, freelb, smart)."""
    step_size: PositiveFloat = 0.05
    """One step of the change, as such a share (pgd, freelb, smart)."""
    steps: PositiveInt = 3
    """Steps of the change; each costs a pass forward and one back (pgd, freelb, smart)."""
    agreement: PositiveFloat = 1.0
    """Weight of the divergence of two predictions beside the loss (smart) or the two losses (r_drop)."""
    contrast: UnitInterval = 0.9
    """Share of the contrastive loss; the rest is the task's (contrastive)."""
    temperature: PositiveFloat = 0.3
    """Divides the similarities of texts: the smaller, the more the nearest count (contrastive)."""

    SHORT_FOR: ClassVar = "kind"
    # Settings that only some of the objectives use.
    OF_SOME: ClassVar = {
        "radius": ("fgm", "pgd", "freelb", "smart"),
        "step_size": ("pgd", "freelb", "smart"),
        "steps": ("pgd", "freelb", "smart"),
        "agreement": ("smart", "r_drop"),
        "contrast": ("contrastive",),
        "temperature": ("contrastive",),
    }

    @property
    def changes_token_vectors(self) -> bool:
        """Whether token vectors are changed, for which the encoder must give access to its embedding."""
        return self.kind in self.OF_SOME["radius"]

    @property
    def compares_text_vectors(self) -> bool:
        """Whether the vectors of texts are compared, for which the network must give them beside the logits."""
        return self.kind == "contrastive"
