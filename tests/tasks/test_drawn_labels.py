"""Labels that tasks draw from their predictions: as often as these say, and where there are labels at all."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from sftkeras.tasks import TASKS as KINDS
from sftkeras.tasks import spec_of
from sftkeras.tasks.classification.task import Classification, MultiLabelClassification
from sftkeras.tasks.contract import Task
from sftkeras.tasks.regression.task import Regression
from sftkeras.tasks.span_qa.task import SpanQA
from sftkeras.tasks.tagging.task import Tagging

MANY = 4000
LOGITS = np.array([0.5, -1.0, 1.5], np.float32)
SHARES = np.exp(LOGITS) / np.exp(LOGITS).sum()


def drawn(task: Task, labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
    labels, logits = (tf.constant(np.repeat(one[None], MANY, 0)) for one in (labels, logits))
    found = task.draw(labels, logits, tf.constant([1, 2]))
    assert (found.shape, found.dtype) == (labels.shape, labels.dtype)
    again = task.draw(labels, logits, tf.constant([1, 2]))
    np.testing.assert_array_equal(found, again)
    assert np.isfinite(task.loss(found, logits)).all()
    return found.numpy()


def shares(found: np.ndarray) -> np.ndarray:
    return np.bincount(found, minlength=3) / MANY


def test_labels_are_drawn_by_their_probabilities() -> None:
    found = drawn(Classification(("a", "b", "c")), np.int32(0), LOGITS)
    assert shares(found) == pytest.approx(SHARES, abs=0.03)
    several = drawn(MultiLabelClassification(("a", "b", "c")), np.zeros(3, np.uint8), LOGITS)
    assert several.mean(0) == pytest.approx(1 / (1 + np.exp(-LOGITS)), abs=0.03)


def test_words_and_ends_are_drawn_one_by_one() -> None:
    tags = drawn(Tagging(("a",)), np.array([0, -1, 2], np.int32), np.stack([LOGITS, LOGITS, LOGITS[::-1]]))
    assert shares(tags[:, 0]) == pytest.approx(SHARES, abs=0.03)
    assert shares(tags[:, 2]) == pytest.approx(SHARES[::-1], abs=0.03)
    assert set(tags[:, 1]) == {-1}
    places = drawn(SpanQA(), np.zeros(2, np.int32), np.stack([LOGITS, LOGITS[::-1]], -1))
    assert shares(places[:, 0]) == pytest.approx(SHARES, abs=0.03)
    assert shares(places[:, 1]) == pytest.approx(SHARES[::-1], abs=0.03)


def test_numbers_are_drawn_around_the_prediction() -> None:
    found = drawn(Regression(mean=10.0, deviation=2.0), np.float32(0), np.float32([1.5]))
    assert found.mean() == pytest.approx(13, abs=0.1)
    assert found.std() == pytest.approx(2 / 2**0.5, abs=0.1)  # whose log-likelihood the squared error is


def test_every_task_that_draws_is_here() -> None:
    assert {kind for kind in KINDS if spec_of(kind).draws} == {"classification", "tagging", "span_qa", "regression"}
