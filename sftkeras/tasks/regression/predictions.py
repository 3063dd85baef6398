"""Predictions of regression: a number a text. Imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from sftkeras.tasks.predictions import Predictions, Record

if TYPE_CHECKING:
    from rich.text import Text


class RegressionPredictions(Predictions):
    """`value`, a number."""

    outputs: ClassVar = {"value": 1}
    keys = ("value",)
    methods: ClassVar = {"regress": {"outputs": "value"}}

    def shown(self, record: Record) -> Text:
        """Shows six digits, in a column."""
        from rich.text import Text

        return Text(f"{record['value']:>12,.6g}", style="bold")

    def meaning(self, task: Mapping[str, Any]) -> str:
        """Names the unit."""
        return "One number a text, in the unit of the training data."


PREDICTIONS = RegressionPredictions()
