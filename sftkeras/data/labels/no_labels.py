"""No labels: texts, or pairs of them, are all there is to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from sftkeras.config import DataConfig
from sftkeras.data.labels.contract import LabelKind

if TYPE_CHECKING:
    import numpy as np

    from sftkeras.data.labels.reader import LabelReader
    from sftkeras.data.storage.examples import Examples


class NoLabels(LabelKind):
    """No column of labels; each row's label is 0."""

    name = "none"
    has_labels = False
    refuses: ClassVar[tuple[str, ...]] = ("label", "label_names")

    def reader(self, column: str, config: DataConfig, known: Sequence[str] | None) -> LabelReader:
        """Makes a reader that gives zeros."""
        from sftkeras.data.labels.reader import ZeroReader

        return ZeroReader()

    def strata(self, examples: Examples, rows: int) -> np.ndarray:
        """All rows are one stratum."""
        zeros: np.ndarray = examples.labels[:rows]
        return zeros


NO_LABELS = NoLabels()
