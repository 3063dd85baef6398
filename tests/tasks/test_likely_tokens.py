"""Learning the most probable tokens of a teacher, against its formula written out in NumPy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax, softmax
from toy_decoder import toy_backbone

from sftkeras.config import DistillationConfig
from sftkeras.objectives import distilled_objective
from sftkeras.objectives.objective import Loss
from sftkeras.tasks import TextModel, attach_head, likely_tokens
from sftkeras.tasks.learned_places import LOSSES, PLACES
from sftkeras.tasks.next_tokens import NextTokens

VOCABULARY, KNOWN, LENGTH, ROWS = 40, 36, 10, 3  # the tokenizer knows fewer tokens than the tables have rows
TOP_K = 5


class NextTokensOfTest(NextTokens):
    kind = "causal_lm"


TASK = NextTokensOfTest()
TARGETS = TASK.soft_targets()


def drawn_model(seed: int) -> TextModel:
    keras.utils.set_random_seed(seed)
    backbone = toy_backbone(VOCABULARY, LENGTH)
    network = attach_head(backbone, TASK, "mean")
    random = np.random.default_rng(seed)
    for variable in network.trainable_variables:  # the logits shall differ
        variable.assign(variable.numpy() + random.normal(0, 0.5, variable.shape))
    features: Any = SimpleNamespace(tokenizer=SimpleNamespace(size=KNOWN))
    return TextModel(features, network, TASK, backbone)


@pytest.fixture(scope="module")
def teacher() -> TextModel:
    return drawn_model(1)


@pytest.fixture(scope="module")
def student() -> TextModel:
    return drawn_model(2)


@pytest.fixture(scope="module")
def rows() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Three rows of different lengths, the second of which learns nothing."""
    random = np.random.default_rng(3)
    mask = (np.arange(LENGTH) < np.array([[10], [4], [7]])).astype(np.int32)
    learned = (random.random(mask.shape) < 0.6).astype(np.int32) * mask
    learned[1] = 0
    tokens = random.integers(KNOWN, size=mask.shape).astype(np.int32) * mask
    return TASK.targets({"token_ids": tokens, "learned": learned, "padding_mask": mask}, None, random)


def logits_of(model: TextModel, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """All logits at all places, [rows, most, vocabulary]."""
    assert model.backbone is not None
    decoder = model.backbone.model
    vectors = decoder({name: inputs[name] for name in decoder.input})["sequence_output"].numpy()
    at_places = np.take_along_axis(vectors, inputs[PLACES][..., np.newaxis], 1)
    return at_places.astype(np.float64) @ decoder.output_kernel.numpy().T


def test_a_teacher_gives_its_most_probable_tokens_and_their_probabilities(
    teacher: TextModel, rows: tuple[dict[str, np.ndarray], np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likely_tokens, "MOST_LOGITS", 3 * VOCABULARY)  # of three places at once
    inputs, labels = rows
    given = TARGETS.asking(teacher, TOP_K)(inputs, labels)
    assert given.itemsize == 6 * TOP_K
    found = {name.removeprefix("teacher_"): array for name, array in TARGETS.as_inputs(given).items()}
    logits = logits_of(teacher, inputs)[..., :KNOWN]
    expected = np.argsort(-logits, axis=-1)[..., :TOP_K]
    there = labels >= 0
    assert there.sum() > 6
    np.testing.assert_array_equal(found["tokens"][there], expected[there])
    shares = softmax(np.take_along_axis(logits, expected, -1), -1)
    np.testing.assert_allclose(found["shares"][there], shares[there], rtol=2e-3, atol=1e-6)  # float16 on the way
    np.testing.assert_allclose(found["shares"].sum(-1), there, rtol=1e-6)
    more = TARGETS.as_inputs(TARGETS.asking(teacher, VOCABULARY)(inputs, labels))  # than there are tokens
    np.testing.assert_array_equal(more["teacher_tokens"][..., :TOP_K], found["tokens"])
    assert not more["teacher_shares"][..., KNOWN:].any()


def shares_of(labels: np.ndarray) -> np.ndarray:
    """Weights of rows as in a batch, which sum to one."""
    counts = TASK.example_weights(labels)
    return counts / counts.sum()


def loss_of(model: TextModel, inputs: dict[str, Any], labels: np.ndarray, weight: float) -> tuple[Loss, list[Any]]:
    """The loss of rows by labels and teacher, and the gradients of all weights."""
    objective = distilled_objective(DistillationConfig("runs/teacher", weight=weight), TASK)
    learning = TARGETS.learning(model.network)
    weights = tf.constant(shares_of(labels))
    with tf.GradientTape() as tape:
        tensors = {name: tf.constant(array) for name, array in inputs.items()}
        loss = objective.loss(lambda rows: learning(rows, training=True), (tensors, tf.constant(labels), weights))
    return loss, tape.gradient(loss.total, model.network.trainable_variables)


def test_the_loss_is_the_cross_entropy_with_label_and_teacher(
    teacher: TextModel, student: TextModel, rows: tuple[dict[str, np.ndarray], np.ndarray]
) -> None:
    inputs, labels = rows
    taught = TARGETS.as_inputs(TARGETS.asking(teacher, TOP_K)(inputs, labels))
    there = labels >= 0
    chances = log_softmax(logits_of(student, inputs), -1)
    hard = -np.take_along_axis(chances, np.maximum(labels, 0)[..., np.newaxis], -1)[..., 0][there]
    soft = -(taught["teacher_shares"] * np.take_along_axis(chances, taught["teacher_tokens"], -1)).sum(-1)[there]
    for weight in (0.3, 1.0):
        loss, _ = loss_of(student, {**inputs, **taught}, labels, weight)
        np.testing.assert_allclose(loss.total, ((1 - weight) * hard + weight * soft).mean(), rtol=2e-6)
        assert loss.compared is not None
        np.testing.assert_allclose(loss.compared.predictions[LOSSES][there], hard, rtol=1e-5)  # metrics: the label's
    apart = abs(soft.mean() - hard.mean())
    assert apart > 0.1


def test_a_weight_of_zero_learns_the_labels_alone(
    teacher: TextModel, student: TextModel, rows: tuple[dict[str, np.ndarray], np.ndarray]
) -> None:
    inputs, labels = rows
    taught = TARGETS.as_inputs(TARGETS.asking(teacher, TOP_K)(inputs, labels))
    loss, gradients = loss_of(student, {**inputs, **taught}, labels, 0.0)
    with tf.GradientTape() as tape:
        tensors = {name: tf.constant(array) for name, array in inputs.items()}
        found = TASK.row_results(lambda rows: student.network(rows, training=True), tensors, tf.constant(labels))
        plain = tf.reduce_sum(found.losses * shares_of(labels))
    np.testing.assert_allclose(loss.total, plain, rtol=1e-6)
    for one, other in zip(gradients, tape.gradient(plain, student.network.trainable_variables), strict=True):
        np.testing.assert_allclose(tf.convert_to_tensor(one), tf.convert_to_tensor(other), atol=1e-6)
