"""Settings of continual learning: what keeps a run that begins with another one from forgetting."""

# mypy: disable-error-code="valid-type"

from __future__ import annotations

from dataclasses import dataclass, fields

from jsonargparse.typing import NonNegativeFloat, PositiveInt

from sftkeras.config.values import UnitInterval


@dataclass(frozen=True)
class ContinualConfig:
    """Against forgetting what the run has learned that start_from names"""

    replay: UnitInterval = 0.0
    """Share of an epoch's rows that are training rows of that run and of those that it began with, drawn anew for each
    epoch, such as 0.2. Their data is read again and must be as it was."""
    ewc: NonNegativeFloat = 0.0
    """Weight of elastic weight consolidation: half the squared distance of each weight from what it was there, times
    how much it matters to the predictions there (its Fisher information); 0 leaves all weights free."""
    fisher_rows: PositiveInt = 500
    """Training rows, drawn from those that could be replayed, of which the Fisher information is the mean (ewc)."""

    @property
    def changed(self) -> tuple[str, ...]:
        """The names of the settings that are not as they are by default."""
        default = ContinualConfig()
        return tuple(each.name for each in fields(self) if getattr(self, each.name) != getattr(default, each.name))
