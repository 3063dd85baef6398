"""Regression before TensorFlow is loaded: what its data must have, and what it predicts."""

from __future__ import annotations

from typing import Any

from sftkeras.data.labels.contract import LabelKind
from sftkeras.data.labels.numbers.kind import NUMBERS
from sftkeras.tasks.contract import TaskSpec


class RegressionSpec(TaskSpec):
    """See `TaskSpec`."""

    kind = "regression"

    def label_kind(self, settings: Any) -> LabelKind:
        """A number a text."""
        return NUMBERS

    def predicts(self, settings: Any) -> str:
        """Numbers."""
        return "numbers"

    def metrics(self, settings: Any) -> tuple[str, ...]:
        """Mean absolute error and root mean squared error."""
        return ("mae", "rmse")


SPEC = RegressionSpec()
