"""Agreement of an export whose weights are rounded with the exact model, in figures. Imports no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass

from sftkeras.plurals import counted


@dataclass(frozen=True)
class Agreement:
    """Figures of how far a rounded export predicts as the exact model.

    Attributes:
        part: of the data whose rows were predicted.
        rows: how many they are.
        equal: share of them for which both decide the same: label, entities, answer. Of predictions that are numbers
            alone, such as a value or a vector, the share within 5% of their spread over the rows.
        largest_difference: of all numbers of the predictions, probabilities or values in the unit of the output.
    """

    part: str
    rows: int
    equal: float
    largest_difference: float

    def describe(self) -> str:
        """The figures, as a sentence."""
        return (
            f"It predicts as the exact model does for {self.equal:.2%} of {counted(self.rows, f'{self.part} row')}, "
            f"numbers differ by up to {self.largest_difference:.2g}."
        )
