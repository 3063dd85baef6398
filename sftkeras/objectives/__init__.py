"""Objectives of training: from the rows of a batch, and a way to run the network, to their loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sftkeras.objectives.adversarial import Adversarial, Attack, Smart
from sftkeras.objectives.contrastive import Contrastive
from sftkeras.objectives.distillation import Distilled, DistilledResults, DistilledWholeBatch, Mixture
from sftkeras.objectives.objective import Objective, RowByRow
from sftkeras.objectives.r_drop import RDrop
from sftkeras.objectives.whole_batch import WholeBatch

if TYPE_CHECKING:
    import numpy as np

    from sftkeras.config import DistillationConfig, ObjectiveConfig
    from sftkeras.objectives.inner_distillation import InnerDistillation
    from sftkeras.tasks import Task

__all__ = ["Objective", "distilled_objective", "make_objective", "plain_objective"]


def plain_objective(task: Task) -> Objective:
    """Return the task's own loss as an objective."""
    return WholeBatch(task) if task.whole_batch else RowByRow(task)


def distilled_objective(
    config: DistillationConfig,
    task: Task,
    inner: InnerDistillation | None = None,
    known: np.ndarray | None = None,
) -> Objective:
    """Return the objective of a task that learns from a teacher.

    Args:
        config: the settings.
        task: that learns; its spec's `distils` is not empty.
        inner: what is learned of the inside of the teacher, if anything.
        known: places of the logits that the teacher gives; None if it gives all.
    """
    targets = task.soft_targets()
    assert targets is not None
    if targets.gives_losses:
        return DistilledResults(task, targets, config.weight)
    mixture = Mixture(task, targets, config.weight, config.temperature, known)
    return DistilledWholeBatch(task, mixture) if task.whole_batch else Distilled(task, mixture, inner)


def make_objective(config: ObjectiveConfig, task: Task) -> Objective:
    """Return the objective of the settings.

    Args:
        config: the settings.
        task: that learns; its spec's `objectives` has the kind.
    """
    radius = config.radius
    match config.kind:
        case "fgm":
            return Adversarial(task, Attack(1, radius, radius), every_step=False)
        case "pgd":
            return Adversarial(task, Attack(config.steps, config.step_size, radius), every_step=False)
        case "freelb":
            return Adversarial(task, Attack(config.steps, config.step_size, radius), every_step=True)
        case "smart":
            return Smart(task, Attack(config.steps, config.step_size, radius), config.agreement)
        case "r_drop":
            return RDrop(task, config.agreement)
        case "contrastive":
            return Contrastive(task, config.contrast, config.temperature)
    return plain_objective(task)
