"""Regression before TensorFlow is loaded: settings, data, predictions."""

# mypy: disable-error-code="valid-type"

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sftkeras.config import TaskSettings
from sftkeras.config.objective import ROW_OBJECTIVES
from sftkeras.config.values import UnitInterval
from sftkeras.data.labels.contract import LabelKind
from sftkeras.data.labels.numbers.kind import NUMBERS
from sftkeras.tasks import contract


@dataclass(frozen=True)
class RegressionSettings(TaskSettings):
    """Regression: a number for each text"""

    kind: Literal["regression"] = "regression"
    """Name of the task."""
    dropout: UnitInterval = 0.1
    """Share of the pooled features that the head drops in training."""


class RegressionSpec(contract.TaskSpec):
    """See `TaskSpec`."""

    kind = "regression"
    settings = RegressionSettings
    objectives = ROW_OBJECTIVES
    draws = True
    distils = ("weight", "hidden", "attention", "layers", "relations")

    def label_kind(self, settings: Any) -> LabelKind:
        """A number a text."""
        return NUMBERS

    def predicts(self, settings: Any) -> str:
        """Numbers."""
        return "numbers"

    def metrics(self, settings: Any) -> tuple[str, ...]:
        """Mean absolute error and root mean squared error."""
        return ("mae", "rmse")

    def evaluation(self, settings: Mapping[str, Any]) -> contract.Evaluation:
        """See `NumbersEvaluation`."""
        from sftkeras.tasks.regression.evaluation import NumbersEvaluation

        return NumbersEvaluation(settings)


SPEC = RegressionSpec()
