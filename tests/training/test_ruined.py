"""A loss far above that of answering every text alike is warned of once; one that only begins high is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from sftkeras.tasks.classification.task import Classification, MultiLabelClassification
from sftkeras.tasks.regression.task import Regression
from sftkeras.training.callbacks import StepRecord
from sftkeras.training.position import Position
from sftkeras.training.watching.ruined import RuinWatch, constant_loss

CLASSES = Classification(("a", "b"))
LABELS = np.array([0, 0, 0, 1], np.int32)
ALIKE = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))


@dataclass
class Labels:
    """Batches of which only the labels are asked for, the same in every step."""

    labels: np.ndarray
    weights: np.ndarray
    steps: int = 40

    def arrays(self, epoch: int, step: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        return {}, self.labels, self.weights


def even(labels: np.ndarray) -> Any:
    return Labels(labels, np.full(len(labels), 1 / len(labels), np.float32))


def said(losses: list[float], task: Any = CLASSES, labels: np.ndarray = LABELS) -> list[str]:
    told: list[str] = []
    record, position = StepRecord(), Position(steps=1000)
    watch = RuinWatch(record, position, task, even(labels), 0.01, report=told.append)
    for step, loss in enumerate(losses):
        position.step = step
        record.losses.append(loss)
        watch.on_train_batch_end(step)
    return told


def test_a_ruined_model_is_warned_of_once_with_both_losses_and_the_rate() -> None:
    (warning,) = said([0.8, 0.9, 0.8, 30.0, *[4.0] * 80])
    assert warning.startswith("SFT460  step 21: the loss is 3.65, far above the 0.8 of the first step.")
    assert "lower --optimizer.learning_rate (it is 0.01)" in warning


def test_a_loss_is_compared_with_that_of_answering_alike() -> None:
    (warning,) = said([*[0.3] * 3, *[2.0] * 30])
    assert "far above the 0.562 of a model that predicts the same for every text." in warning


@pytest.mark.parametrize(
    "losses",
    [
        [*[9.0] * 3, *np.linspace(9, 0.2, 60)],  # a head that begins far off
        [0.6] * 60,  # learns nothing, but harms nothing
        [*[0.5] * 20, 50.0, *[0.5] * 20, 50.0, *[0.5] * 30],  # single batches with odd labels
        [3.0] * 10,  # too few steps to tell
    ],
)
def test_an_ordinary_training_is_not(losses: list[float]) -> None:
    assert said(list(losses)) == []


def test_a_constant_prediction_costs_what_the_frequencies_say() -> None:
    assert constant_loss(CLASSES, even(LABELS)) == pytest.approx(ALIKE, rel=1e-5)
    several = MultiLabelClassification(("a", "b"))
    sets = np.array([[1, 0], [1, 0], [1, 1], [0, 0]], np.uint8)
    assert constant_loss(several, even(sets)) == pytest.approx(ALIKE, rel=1e-5)
    numbers = np.array([1.0, 2.0, 3.0, 6.0], np.float32)
    task = Regression(mean=float(numbers.mean()), deviation=float(numbers.std()))
    assert constant_loss(task, even(numbers)) == pytest.approx(1.0, rel=1e-5)
    weighted: Any = Labels(LABELS, np.array([0.1, 0.1, 0.1, 0.7], np.float32))
    assert constant_loss(CLASSES, weighted) == pytest.approx(-(0.3 * np.log(0.3) + 0.7 * np.log(0.7)))
