"""Distillation against its formulas, written out in NumPy; and losses of parts that add up to the whole's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit, log_softmax

from sftkeras.config import DistillationConfig
from sftkeras.objectives import distilled_objective
from sftkeras.objectives.objective import Loss
from sftkeras.tasks import Task
from sftkeras.tasks.classification.task import Classification, MultiLabelClassification
from sftkeras.tasks.regression.task import Regression
from sftkeras.tasks.similarity.task import MatchingPairs, ScoredPairs
from sftkeras.tasks.soft_targets import TEACHER
from sftkeras.tasks.span_qa.task import SpanQA
from sftkeras.tasks.tagging.task import Tagging

Arrays = np.ndarray
RANDOM = np.random.default_rng(5)
ROWS, LENGTH, SIZE = 4, 5, 3
T = 2.0


def drawn(*shape: int) -> Arrays:
    return RANDOM.normal(size=shape).astype(np.float32)


def vectors() -> Arrays:
    rows = drawn(ROWS, SIZE)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def from_classes(given: Arrays, logits: Arrays, axis: int = -1, temperature: float = T) -> Arrays:
    theirs, ours = (log_softmax(values.astype(np.float64) / temperature, axis) for values in (given, logits))
    return temperature**2 * (np.exp(theirs) * (theirs - ours)).sum(axis)


def from_chances(given: Arrays, logits: Arrays) -> Arrays:
    p, q = expit(given / T), expit(logits / T)
    return T**2 * (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).mean(-1)


def over_words(values: Arrays) -> Arrays:
    words = LABELS["tagging"] >= 0
    return (values * words).sum(-1) / words.sum(-1)


def among_partners(given: Arrays, logits: Arrays) -> Arrays:
    theirs, ours = (values[0::2] @ values[1::2].T / 0.05 for values in (given, logits))
    sides = [from_classes(theirs, ours, axis, temperature=1.0) for axis in (1, 0)]
    return np.stack(sides, 1).reshape(-1)


def of_pairs(given: Arrays, logits: Arrays) -> Arrays:
    found, wanted = ((values[0::2] * values[1::2]).sum(-1) for values in (logits, given))
    return np.repeat((found - wanted) ** 2, 2)


LABELS: dict[str, Arrays] = {
    "classes": np.array([0, 2, 1, 1], np.int32),
    "chances": np.array([[0, 1, 1], [0, 0, 0], [1, 0, 1], [1, 1, 1]], np.uint8),
    "number": np.array([10.0, 12.0, 11.0, 9.0], np.float32),
    "tagging": np.array([[0, -1, 2, 1, -1], [1, 0, -1, -1, -1], [2, 2, 2, 2, 2], [-1, 0, 0, -1, 1]], np.int32),
    "places": np.array([[0, 0], [1, 3], [2, 2], [0, 4]], np.int32),
    "matches": np.arange(ROWS, dtype=np.int32),
    "scores": np.array([0.2, 0.2, 0.9, 0.9], np.float32),
}
TASKS: dict[str, Task] = {
    "classes": Classification(("a", "b", "c")),
    "chances": MultiLabelClassification(("a", "b", "c")),
    "number": Regression(mean=10.0, deviation=2.0),
    "tagging": Tagging(("a",)),
    "places": SpanQA(),
    "matches": MatchingPairs(temperature=0.05),
    "scores": ScoredPairs(),
}
LOGITS: dict[str, Callable[[], Arrays]] = {
    "classes": lambda: drawn(ROWS, 3),
    "chances": lambda: drawn(ROWS, 3),
    "number": lambda: drawn(ROWS, 1),
    "tagging": lambda: drawn(ROWS, LENGTH, 3),
    "places": lambda: drawn(ROWS, LENGTH, 2),
    "matches": vectors,
    "scores": vectors,
}
FORMULAS: dict[str, Callable[[Arrays, Arrays], Arrays]] = {
    "classes": from_classes,
    "chances": from_chances,
    "number": lambda given, logits: (logits[:, 0] - (given - 10.0) / 2.0) ** 2,
    "tagging": lambda given, logits: over_words(from_classes(given, logits)),
    "places": lambda given, logits: from_classes(given, logits, 1).mean(-1),
    "matches": among_partners,
    "scores": of_pairs,
}
WHOLE = [name for name, task in TASKS.items() if task.whole_batch]


@pytest.fixture(params=TASKS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def loss_of(name: str, logits: Arrays, given: Arrays, rows: slice = slice(None), **settings: float) -> Loss:
    """The loss of some rows by a network that gives these logits, and takes nothing but model inputs."""
    weights = np.arange(1, ROWS + 1, dtype=np.float32) / 10

    def network(inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        assert set(inputs) == {"rows"}
        return tf.gather(logits, inputs["rows"])

    inputs = {"rows": tf.range(ROWS)[rows], TEACHER: tf.constant(given)[rows]}
    objective = distilled_objective(DistillationConfig("runs/teacher", **settings), TASKS[name])
    return objective.loss(network, (inputs, tf.constant(LABELS[name])[rows], tf.constant(weights)[rows]))


def given_by(name: str) -> tuple[Arrays, Arrays]:
    """Logits of a student, and what is kept of a teacher's."""
    targets = TASKS[name].soft_targets()
    assert targets is not None
    return LOGITS[name](), targets.of_logits(tf.constant(LOGITS[name]())).numpy()


def test_a_row_has_its_share_of_the_label_s_loss_and_of_the_distance_from_the_teacher(name: str) -> None:
    logits, given = given_by(name)
    weights = np.arange(1, ROWS + 1) / 10
    hard = TASKS[name].loss(tf.constant(LABELS[name]), tf.constant(logits)).numpy()
    soft = FORMULAS[name](given, logits)
    loss = loss_of(name, logits, given, weight=0.3)
    np.testing.assert_allclose(loss.total, (0.7 * hard + 0.3 * soft) @ weights, rtol=2e-5)
    np.testing.assert_allclose(loss_of(name, logits, given, weight=1.0).total, soft @ weights, rtol=2e-5)


def test_nothing_is_lost_where_both_agree(name: str) -> None:
    logits = LOGITS[name]()
    targets = TASKS[name].soft_targets()
    assert targets is not None
    given = targets.of_logits(tf.constant(logits)).numpy()
    np.testing.assert_allclose(loss_of(name, logits, given, weight=1.0).total, 0.0, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in TASKS if name not in WHOLE])
def test_the_losses_of_parts_add_up(name: str) -> None:
    logits, given = given_by(name)
    parts = [loss_of(name, logits, given, slice(*ends)).total for ends in ((0, 1), (1, 4), (4, 4))]
    np.testing.assert_allclose(sum(parts), loss_of(name, logits, given).total, rtol=1e-6)


@pytest.mark.parametrize(("name", "output"), [("classes", tf.nn.softmax), ("chances", tf.nn.sigmoid)])
def test_an_export_teaches_by_its_probabilities_as_a_run_does_by_its_logits(
    name: str, output: Callable[[Arrays], tf.Tensor]
) -> None:
    logits, given = given_by(name)
    exported = TASKS[name].soft_targets().of_exported(output(given).numpy())  # type: ignore[union-attr]
    np.testing.assert_allclose(loss_of(name, logits, exported).total, loss_of(name, logits, given).total, rtol=1e-5)
    certain = TASKS[name].soft_targets().of_exported(np.array([[0.0, 1.0, 0.0]], np.float32))  # type: ignore[union-attr]
    assert np.isfinite(certain).all()


def test_of_labels_that_a_teacher_does_not_know_it_says_nothing() -> None:
    """Learning without forgetting: the probabilities of the known labels, among these alone, are the teacher's."""
    task, known, weights = TASKS["classes"], np.array([2, 0], np.int32), tf.ones(ROWS)
    logits, given, labels = drawn(ROWS, 3), drawn(ROWS, 2), tf.constant(LABELS["classes"])
    objective = distilled_objective(DistillationConfig("runs/teacher", weight=0.3), task, known=known)
    inputs = {"rows": tf.range(ROWS), TEACHER: tf.constant(given)}
    loss = objective.loss(lambda inputs: tf.gather(logits, inputs["rows"]), (inputs, labels, weights))
    expected = 0.7 * task.loss(labels, tf.constant(logits)).numpy() + 0.3 * from_classes(given, logits[:, known])
    np.testing.assert_allclose(loss.total, expected.sum(), rtol=2e-5)
