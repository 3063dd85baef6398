"""Objectives of training: from the rows of a batch, and a way to run the network, to their loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sftkeras.objectives.objective import Objective, RowByRow
from sftkeras.objectives.whole_batch import WholeBatch

if TYPE_CHECKING:
    from sftkeras.tasks import Task

__all__ = ["Objective", "plain_objective"]


def plain_objective(task: Task) -> Objective:
    """Return the task's own loss as an objective."""
    return WholeBatch(task) if task.whole_batch else RowByRow(task)
