"""Objectives against the formulas of their papers, written out for a network without layers of ours."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

from sftkeras.backbones.dropout import dropout_stream, use_stream_dropout
from sftkeras.backbones.token_vectors import give_token_vectors
from sftkeras.config import ObjectiveConfig
from sftkeras.objectives import make_objective
from sftkeras.tasks import Task
from sftkeras.tasks.classification.task import Classification, MultiLabelClassification
from sftkeras.tasks.network import TokenPooling
from sftkeras.tasks.regression.task import Regression
from sftkeras.tasks.span_qa.task import SpanQA
from sftkeras.tasks.tagging.task import Tagging

TASK = Classification(("a", "b", "c"), dropout=0.0)
TOKENS = tf.constant([[1, 2, 3, 0], [4, 5, 0, 0], [6, 7, 8, 9]])
LABELS = tf.constant([0, 2, 1])
WEIGHTS = tf.constant([0.5, 0.2, 0.3])
MASK = tf.cast(TOKENS > 0, tf.int32)
ROWS = ({"token_ids": TOKENS, "padding_mask": MASK}, LABELS, WEIGHTS)


@pytest.fixture
def network() -> keras.Model:
    """Token vectors through a curved function, so that the gradient depends on where it is taken."""
    keras.utils.set_random_seed(3)
    tokens, mask = (keras.Input((None,), dtype="int32", name=name) for name in ("token_ids", "padding_mask"))
    embedding = keras.layers.Embedding(10, 6)
    hidden = keras.layers.Dropout(0.3)(keras.layers.Dense(8, "tanh")(embedding(tokens)))
    logits = keras.layers.Dense(3)(TokenPooling("mean")(hidden, padding_mask=mask))
    model = keras.Model({"token_ids": tokens, "padding_mask": mask}, logits)
    give_token_vectors(embedding)
    return model


def logits_at(network: keras.Model, vectors: tf.Tensor) -> tf.Tensor:
    """Logits of the rows [rows, 3] by the weights alone, from token vectors."""
    kernel, bias, out, out_bias = (variable.value for variable in network.trainable_variables[1:])
    hidden = tf.tanh(vectors @ kernel + bias) * tf.cast(MASK, tf.float32)[:, :, None]
    return tf.reduce_sum(hidden, 1) / tf.reduce_sum(tf.cast(MASK, tf.float32), 1, keepdims=True) @ out + out_bias


def losses_at(network: keras.Model, vectors: tf.Tensor) -> tf.Tensor:
    """Losses of the rows [rows] likewise."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(LABELS, logits_at(network, vectors))


def ascended(
    network: keras.Model,
    vectors: tf.Tensor,
    change: tf.Tensor,
    size: float,
    radius: float,
    raised: Callable[[keras.Model, tf.Tensor], tf.Tensor] = losses_at,
) -> tf.Tensor:
    """One step of the change, row by row, in NumPy but for the gradient."""
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        losses = raised(network, vectors + change)
    norms = [np.linalg.norm(row[tokens > 0]) for row, tokens in zip(vectors.numpy(), TOKENS.numpy(), strict=True)]
    changed = []
    for row, gradient, norm in zip(change.numpy(), tape.gradient(losses, vectors).numpy(), norms, strict=True):
        row = row + size * norm * gradient / np.linalg.norm(gradient)
        changed.append(row * min(1.0, radius * norm / np.linalg.norm(row)))
    return tf.constant(np.stack(changed))


def reference(network: keras.Model, config: ObjectiveConfig) -> tf.Tensor:
    """The objective by its paper: Algorithm 1 of FreeLB, and the mean of both losses for the others."""
    vectors = tf.gather(network.trainable_variables[0].value, TOKENS)
    steps, size = (1, config.radius) if config.kind == "fgm" else (config.steps, config.step_size)
    changes = [tf.zeros_like(vectors)]
    for _ in range(steps):
        changes.append(ascended(network, vectors, changes[-1], size, config.radius))
    counted = changes if config.kind == "freelb" else [changes[0], changes[-1]]
    losses = tf.add_n([losses_at(network, vectors + tf.stop_gradient(change)) for change in counted]) / len(counted)
    return tf.reduce_sum(losses * WEIGHTS)


def with_gradients(network: keras.Model, loss: Callable[[], tf.Tensor]) -> tuple[float, list[np.ndarray]]:
    variables = [variable.value for variable in network.trainable_variables]
    with tf.GradientTape() as tape:
        value = loss()
    return float(value), [tf.convert_to_tensor(it).numpy() for it in tape.gradient(value, variables)]


@pytest.mark.parametrize(
    "config",
    [
        ObjectiveConfig("fgm", radius=0.7),
        ObjectiveConfig("pgd", radius=0.5, step_size=0.3, steps=3),
        ObjectiveConfig("freelb", radius=0.5, step_size=0.3, steps=3),
    ],
    ids=lambda config: config.kind,
)
def test_adversarial_objectives_are_their_papers_formulas(network: keras.Model, config: ObjectiveConfig) -> None:
    objective = make_objective(config, TASK)
    found = with_gradients(network, lambda: objective.loss(network, ROWS).total)
    expected = with_gradients(network, lambda: reference(network, config))
    assert found[0] == pytest.approx(expected[0], rel=1e-5)
    for gradient, true in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(gradient, true, rtol=1e-4, atol=1e-6)


def test_smart_adds_half_of_the_symmetric_divergence_of_changed_predictions(network: keras.Model) -> None:
    def apart(network: keras.Model, changed: tf.Tensor) -> tf.Tensor:
        vectors = tf.gather(network.trainable_variables[0].value, TOKENS)
        p, q = (tf.nn.softmax(logits_at(network, each)) for each in (vectors, changed))
        return tf.reduce_sum(p * tf.math.log(p / q) + q * tf.math.log(q / p), -1) / 2

    def expected() -> tf.Tensor:
        vectors = tf.gather(network.trainable_variables[0].value, TOKENS)
        change = ascended(network, vectors, tf.zeros_like(vectors), 0.3, 0.5)
        for _ in range(2):
            fixed = tf.stop_gradient(vectors)
            change = ascended(network, fixed, change, 0.3, 0.5, lambda it, changed: apart(it, changed))
        losses = losses_at(network, vectors) + 2.0 * apart(network, vectors + tf.stop_gradient(change))
        return tf.reduce_sum(losses * WEIGHTS)

    config = ObjectiveConfig("smart", radius=0.5, step_size=0.3, steps=3, agreement=2.0)
    found = with_gradients(network, lambda: make_objective(config, TASK).loss(network, ROWS).total)
    true = with_gradients(network, expected)
    assert found[0] == pytest.approx(true[0], rel=1e-5)
    for gradient, other in zip(found[1], true[1], strict=True):
        np.testing.assert_allclose(gradient, other, rtol=1e-4, atol=1e-6)


def test_padding_changes_nothing(network: keras.Model) -> None:
    objective = make_objective(ObjectiveConfig("pgd", steps=2), TASK)
    inputs, labels, weights = ROWS
    longer = {name: tf.pad(tensor, [[0, 0], [0, 5]]) for name, tensor in inputs.items()}
    found, expected = (float(objective.loss(network, (it, labels, weights)).total) for it in (longer, inputs))
    assert found == pytest.approx(expected, rel=1e-6)


def test_a_change_raises_the_loss_and_stays_within_its_radius(network: keras.Model) -> None:
    plain = float(make_objective(ObjectiveConfig(), TASK).loss(network, ROWS).total)
    losses = [
        float(make_objective(ObjectiveConfig("fgm", radius=radius), TASK).loss(network, ROWS).total)
        for radius in (1e-6, 0.5, 1.0)
    ]
    assert plain == pytest.approx(losses[0], abs=1e-5)
    assert losses[0] < losses[1] < losses[2]


def test_r_drop_is_half_of_the_papers_formula_under_two_masks(network: keras.Model) -> None:
    use_stream_dropout(network)
    step = tf.constant(4)
    with dropout_stream(1, step):
        found = make_objective(ObjectiveConfig("r_drop", agreement=2.0), TASK).loss(
            lambda inputs: network(inputs, training=True), ROWS
        )
    with dropout_stream(1, step):
        first, second = (tf.nn.softmax(network(ROWS[0], training=True)).numpy() for _ in range(2))
    assert np.abs(first - second).max() > 1e-3
    rows = np.arange(3)
    crosses = -np.log(first[rows, LABELS]) - np.log(second[rows, LABELS])
    both = (first * np.log(first / second)).sum(-1) + (second * np.log(second / first)).sum(-1)
    assert float(found.total) == pytest.approx(((crosses + 2.0 * both / 2) * WEIGHTS.numpy()).sum() / 2, rel=1e-5)


def test_the_contrastive_loss_is_its_paper_s() -> None:
    task, random = Classification(("a", "b", "c"), dropout=0.0), np.random.default_rng(5)
    labels, weights = np.array([0, 1, 0, 2, 1, 0]), np.array([0.1, 0.2, 0.1, 0.25, 0.2, 0.15], np.float32)
    outputs = random.normal(size=(6, 3 + 4)).astype(np.float32)  # three logits and a vector
    objective = make_objective(ObjectiveConfig("contrastive", contrast=0.7, temperature=0.5), task)
    found = objective.loss(lambda _: tf.constant(outputs), ({}, tf.constant(labels), tf.constant(weights)))
    expected = 0.0
    vectors = outputs[:, 3:] / np.linalg.norm(outputs[:, 3:], axis=1, keepdims=True)
    for row, label in enumerate(labels):
        scores = {other: np.exp(vectors[row] @ vectors[other] / 0.5) for other in range(6) if other != row}
        alike = [other for other in scores if labels[other] == label]
        apart = -sum(np.log(scores[other] / sum(scores.values())) for other in alike) / max(len(alike), 1)
        cross = np.log(np.exp(outputs[row, :3]).sum()) - outputs[row, label]
        expected += weights[row] * (0.3 * cross + 0.7 * apart)
    assert float(found.total) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(found.compared.predictions, tf.nn.softmax(outputs[:, :3]), rtol=1e-6)


def test_a_text_alone_in_its_batch_has_no_contrastive_loss() -> None:
    objective = make_objective(ObjectiveConfig("contrastive", contrast=0.5), TASK)
    outputs = tf.Variable([[1.0, 2.0, 3.0, 0.5, 0.6]])
    with tf.GradientTape() as tape:
        loss = objective.loss(lambda _: outputs.value(), ({}, tf.constant([1]), tf.constant([1.0]))).total
    assert float(loss) == pytest.approx(0.5 * float(TASK.loss([1], outputs[:, :3])[0]), rel=1e-6)
    assert np.isfinite(tape.gradient(loss, outputs)).all()


TASKS: dict[str, tuple[Task, tuple[int, ...], object]] = {
    "classification": (TASK, (2, 3), [0, 2]),
    "multi-label": (MultiLabelClassification(("a", "b", "c")), (2, 3), [[0, 1, 1], [0, 0, 0]]),
    "regression": (Regression(1.0, 2.0), (2, 1), [0.5, 3.0]),
    "tagging": (Tagging(("x",)), (2, 4, 3), [[0, 1, -1, 2], [0, -1, -1, -1]]),
    "span_qa": (SpanQA(), (2, 5, 2), [[1, 2], [0, 0]]),
}


@pytest.mark.parametrize("kind", TASKS)
def test_a_divergence_is_symmetric_and_zero_where_predictions_are_equal(kind: str) -> None:
    task, shape, labels = TASKS[kind]
    random = np.random.default_rng(2)
    first, second = (tf.constant(random.normal(size=shape), tf.float32) for _ in range(2))
    given = tf.constant(labels)
    apart = task.divergence(given, first, second).numpy()
    assert apart.shape == (2,)
    assert (apart > 0).all()
    np.testing.assert_allclose(task.divergence(given, second, first), apart, rtol=1e-5)
    np.testing.assert_allclose(task.divergence(given, first, first), [0, 0], atol=1e-7)


def test_of_tags_only_those_of_words_diverge() -> None:
    task, shape, labels = TASKS["tagging"]
    first = tf.zeros(shape)
    second = tf.tensor_scatter_nd_add(first, [[0, 2]], [[5.0, 0.0, 0.0]])  # where no word begins
    assert task.divergence(tf.constant(labels), first, second).numpy().max() == 0
