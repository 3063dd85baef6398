"""A task learns what it must from settings and training labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sftkeras.errors import SFTError
from sftkeras.tasks import make_task
from sftkeras.tasks.classification.spec import ClassificationSettings
from sftkeras.tasks.classification.task import Classification, MultiLabelClassification
from sftkeras.tasks.regression.spec import RegressionSettings
from sftkeras.tasks.regression.task import Regression

NAMES = ("bad", "good", "meh")
LABELS = np.array([0, 0, 0, 0, 1, 1, 2, 0], np.int32)


def test_settings_reach_the_task() -> None:
    task = make_task(ClassificationSettings(dropout=0.3, label_smoothing=0.1), NAMES, LABELS)
    assert task == Classification(NAMES, dropout=0.3, label_smoothing=0.1)
    several = np.eye(3, dtype=np.uint8)[LABELS]
    task = make_task(ClassificationSettings(multi_label=True, threshold=0.3, dropout=0.2), NAMES, several)
    assert task == MultiLabelClassification(NAMES, threshold=0.3, dropout=0.2)


def test_balanced_weights_give_every_class_the_same_total() -> None:
    task = make_task(ClassificationSettings(class_weights="balanced"), NAMES, LABELS)
    weights = task.example_weights(LABELS)
    assert np.bincount(LABELS, weights) == pytest.approx([8 / 3] * 3)
    assert weights.mean() == pytest.approx(1)


def classification(config: ClassificationSettings, names: tuple[str, ...], labels: np.ndarray) -> Any:
    """The task, whose class weights are looked at."""
    return make_task(config, names, labels)


def test_balanced_weights_of_several_labels_follow_their_counts() -> None:
    several = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 1], [1, 1, 0]], np.uint8)
    task = classification(ClassificationSettings(multi_label=True, class_weights="balanced"), NAMES, several)
    assert task.class_weights == pytest.approx((7 / 12, 7 / 6, 7 / 3))


@pytest.mark.parametrize("beta", [0.0, 0.9, 0.9999])
def test_weights_by_the_effective_number_are_their_paper_s(beta: float) -> None:
    config = ClassificationSettings(class_weights="effective_number", effective_beta=beta)
    # Cui et al., 2019: the effective number of n examples is the sum of beta^i over the first n.
    weights = 1 / np.array([sum(beta**i for i in range(count)) for count in (5, 2, 1)])
    assert classification(config, NAMES, LABELS).class_weights == pytest.approx(tuple(3 * weights / weights.sum()))


def test_a_label_without_training_rows_has_a_finite_weight() -> None:
    for way in ("balanced", "effective_number"):
        task = classification(ClassificationSettings(class_weights=way), (*NAMES, "never"), LABELS)
        assert np.isfinite(task.class_weights).all()


def test_named_weights_go_by_name() -> None:
    task = classification(ClassificationSettings(class_weights={"meh": 3, "bad": 0.5, "good": 1}), NAMES, LABELS)
    assert task.class_weights == (0.5, 1.0, 3.0)


def test_weights_of_numbers_go_by_name_however_they_are_written() -> None:
    numbers: Any = {0: 1.0, 1: 2.0}
    task = classification(ClassificationSettings(class_weights=numbers), ("0.0", "1.0"), LABELS % 2)
    assert task.class_weights == (1.0, 2.0)


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ({"bad": 1, "good": 1}, "no weight for meh"),
        ({"bad": 1, "good": 1, "mah": 1}, 'no label mah among bad, good, meh. Did you mean "meh"?'),
        ({"bad": 1, "good": 0, "meh": 1}, "good, 0"),
        ({"bad": -1, "good": 1, "meh": 1}, "bad, -1"),
        ({"bad": float("nan"), "good": 1, "meh": 1}, "bad, nan"),
    ],
)
def test_wrong_weights_are_refused(weights: dict[str, float], told: str) -> None:
    with pytest.raises(SFTError, match="SFT411") as raised:
        make_task(ClassificationSettings(class_weights=weights), NAMES, LABELS)
    assert told in str(raised.value)


def test_regression_learns_its_unit() -> None:
    task = make_task(RegressionSettings(dropout=0.2), (), np.array([1, 2, 3, 6], np.float32))
    assert isinstance(task, Regression)
    assert (task.mean, task.deviation, task.dropout) == pytest.approx((3.0, np.std([1, 2, 3, 6]), 0.2))


def test_regression_keeps_the_deviation_of_large_numbers() -> None:
    targets = (1.7e9 + np.arange(0, 100_000, 128)).astype(np.float32)
    task = make_task(RegressionSettings(), (), targets)
    assert isinstance(task, Regression)
    assert task.deviation == pytest.approx(np.std(targets.astype(np.float64)), rel=1e-6)


def test_one_and_the_same_number_has_a_unit_too() -> None:
    task = make_task(RegressionSettings(), (), np.full(4, 2.5, np.float32))
    assert task == Regression(2.5, 1.0)
