"""Predictions of similarity: a vector a text. Imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from sftkeras.tasks.predictions import Predictions, Record

if TYPE_CHECKING:
    from rich.text import Text

_NUMBERS = 4  # of a vector that are shown


class SimilarityPredictions(Predictions):
    """`vector`, a list of numbers."""

    outputs: ClassVar = {"vector": 2}
    keys = ("vector",)

    def shown(self, record: Record) -> Text:
        """Shows the first numbers."""
        from rich.text import Text

        first = " ".join(f"{number:.4f}" for number in record["vector"][:_NUMBERS])
        return Text(f"{first} … ({len(record['vector']):,} numbers)", style="bold")

    def meaning(self, task: Mapping[str, Any]) -> str:
        """Says how two vectors are compared."""
        return (
            "A `vector` of length one for each text. The cosine of two, the sum of the products of their numbers, is "
            "the higher the more closely the texts are related."
        )


PREDICTIONS = SimilarityPredictions()
