"""Questions of training to a teacher: about which rows it asks, and as what they are learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sftkeras.data import Texts
from sftkeras.data.storage.teacher_outputs import TeacherOutputs

if TYPE_CHECKING:
    import keras

    from sftkeras.backbones import Backbone
    from sftkeras.objectives.inner_distillation import InnerDistillation
    from sftkeras.tasks import Task
    from sftkeras.text import Features


@dataclass(frozen=True)
class Lesson:
    """Rows that a teacher is asked about.

    Attributes:
        task: that learns.
        features: of the texts, as the student sees them.
        texts: of every row; several if they are rewritten, as the variants of augmentation.
        rows: the numbers of those that are learned.
        labels: of every row.
        batch_size: rows that may be computed at once.
    """

    task: Task
    features: Features
    texts: Sequence[Texts]
    rows: np.ndarray
    labels: Any
    batch_size: int


class Teach(Protocol):
    """A teacher, as training asks it."""

    def __call__(self, lesson: Lesson) -> Sequence[TeacherOutputs]:
        """Give what the teacher says of the rows, for each of the texts."""

    def known_logits(self, task: Task) -> np.ndarray | None:
        """Give the places of the logits that the teacher gives too, among those of a task; None if it gives all."""

    def inside(self, network: keras.Model, backbone: Backbone, features: Features) -> InnerDistillation:
        """Give the distance of a network from the inside of the teacher; called in the strategy's scope.

        Args:
            network: that learns.
            backbone: the encoder in it.
            features: of the texts, as the student sees them.
        """
