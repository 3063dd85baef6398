"""Large tables are updated by slices of their gradients, and end where a gradient in one array would lead them."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from toy_decoder import toy_backbone

from sftkeras.config import OptimizerConfig
from sftkeras.tasks import attach_head
from sftkeras.tasks.late_gradients import late_gradients, postpone
from sftkeras.tasks.next_tokens import NextTokens
from sftkeras.tasks.sliced_gradients import SlicedGradient
from sftkeras.tasks.vocabulary_loss import MOST_LOGITS, token_results
from sftkeras.training.step.model import SupervisedModel
from sftkeras.training.step.optimizers import FusedAdamW, make_optimizer
from sftkeras.training.step.sliced_updates import move_slices

VOCABULARY, HIDDEN = 50, 6
IDS, LABELS = tf.constant([3, 7, 3, 0, 49, 7]), tf.constant([7, 3, 1, 49, -1, 2])


@pytest.fixture(autouse=True)
def short_slices_of_which_some_are_made_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sftkeras.tasks.sliced_gradients._SLICE_NUMBERS", 7 * HIDDEN)
    monkeypatch.setattr("sftkeras.tasks.sliced_gradients._MOST_HELD", VOCABULARY * HIDDEN // 2)


class Tables:
    """A token embedding and logits by a table, which may be the embedding."""

    def __init__(self, *, tied: bool, soft_cap: float | None = None) -> None:
        random = np.random.default_rng(3)
        values = random.normal(0, 0.5, (2, VOCABULARY, HIDDEN)).astype(np.float32)
        self.soft_cap = soft_cap
        self.embedding = keras.Variable(values[0], name="embeddings")
        self.output = self.embedding if tied else keras.Variable(values[1], name="output")
        self.variables = [self.embedding] if tied else [self.embedding, self.output]

    def gradients(self, *, sliced: bool) -> list[Any]:
        with late_gradients() as late:
            with tf.GradientTape() as tape:
                vectors = tf.gather(self.embedding.value, IDS)
                kernel = tf.convert_to_tensor(self.output.value)
                later = partial(postpone, self.output)
                results = token_results(
                    vectors, kernel, LABELS, soft_cap=self.soft_cap, postpone=later, most_logits=32 * 9 * 6
                )
                loss = tf.reduce_sum(results.losses)
            gradients = tape.gradient(loss, [variable.value for variable in self.variables])
        return late.complete(self.variables, gradients, lambda variable: sliced)


@pytest.mark.parametrize("soft_cap", [None, 2.0])
@pytest.mark.parametrize("tied", [True, False])
def test_slices_are_those_of_the_whole_gradient(tied: bool, soft_cap: float | None) -> None:
    tables = Tables(tied=tied, soft_cap=soft_cap)
    whole = [tf.convert_to_tensor(each) for each in tables.gradients(sliced=False)]
    for variable, gradient, expected in zip(tables.variables, tables.gradients(sliced=True), whole, strict=True):
        assert isinstance(gradient, SlicedGradient)
        assert int(gradient.size) < VOCABULARY
        np.testing.assert_allclose(gradient.norm, tf.norm(expected), rtol=1e-6)
        half, size = gradient.scaled(tf.constant(0.5)), int(gradient.size)
        rows = [variable.value[first : first + size] for first in range(0, VOCABULARY, size)]
        slices = [half.slice(tf.constant(number), part) for number, part in enumerate(rows)]
        np.testing.assert_array_equal(tf.concat(slices, 0), expected * 0.5)
        np.testing.assert_allclose(half.norm, tf.norm(expected) / 2, rtol=1e-6)


@pytest.mark.parametrize(
    "settings", [{"weight_decay": 0.0}, {"weight_decay": 0.3}, {"rate_factors": (0.25, 1.0)}, {"own_steps": True}]
)
def test_an_update_by_slices_is_that_of_the_whole_gradient(settings: dict[str, Any]) -> None:
    ends = []
    for sliced in (False, True):
        tables, optimizer = Tables(tied=False), FusedAdamW(1e-2, **settings)
        optimizer.build(tables.variables)

        @tf.function(autograph=False)  # as Keras traces a step
        def step(tables: Tables = tables, optimizer: FusedAdamW = optimizer, sliced: bool = sliced) -> None:
            gradients = tables.gradients(sliced=sliced)
            optimizer.apply([it if sliced else tf.convert_to_tensor(it) for it in gradients], tables.variables)

        for _ in range(3):
            step()
        ends.append([variable.numpy() for variable in [*tables.variables, *optimizer.variables]])
    for whole, by_slices in zip(*ends, strict=True):
        np.testing.assert_array_equal(by_slices, whole)


class ToyTask(NextTokens):
    kind = "causal_lm"


def trained(**settings: Any) -> list[np.ndarray]:
    """The weights, their averages and the optimizer's variables after two steps of a toy decoder on one batch."""
    keras.utils.set_random_seed(3)
    task = ToyTask()
    model = SupervisedModel(attach_head(toy_backbone(40, 16), task, "mean"), task, seed=1, **settings)
    config = OptimizerConfig(learning_rate=1e-3, epsilon=1e-4, schedule="constant", warmup=0.0)
    model.compile(make_optimizer(config, total_steps=2, loss_scaling=False))
    random, shape = np.random.default_rng(2), (4, 9)
    inputs = {"token_ids": random.integers(40, size=shape).astype(np.int32)}
    inputs |= {"learned": np.ones(shape, np.int32), "padding_mask": np.ones(shape, np.int32)}
    rows, labels = task.targets(inputs, None, random)
    weights = task.example_weights(labels)
    batch = tf.nest.map_structure(tf.constant, (rows, labels, weights / weights.sum()))
    step = tf.function(model.train_step, autograph=False)  # as Keras traces it
    for _ in range(2):
        step(batch)
    return [variable.numpy() for variable in [*model.network.variables, *model.averages, *model.optimizer.variables]]


@pytest.mark.parametrize("settings", [{"clip_norm": 0.1}, {"clip_norm": None, "ema": 0.5}], ids=["clipped", "averaged"])
def test_steps_by_slices_end_where_others_do(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = trained(**settings)
    monkeypatch.setattr("sftkeras.training.step.sliced_updates._MANY_NUMBERS", 40 * 16)
    monkeypatch.setattr("sftkeras.tasks.vocabulary_loss._KEPT_PARTS", MOST_LOGITS // (4 * 8 * 7))  # parts of 7 rows
    for expected, found in zip(whole, trained(**settings), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_an_average_moves_by_slices_as_it_does_whole() -> None:
    random = np.random.default_rng(4)
    averages, table = (tf.Variable(random.normal(size=(VOCABULARY, HIDDEN)).astype(np.float32)) for _ in range(2))
    whole, rate = tf.Variable(averages), tf.constant(0.1)
    whole.assign_sub(rate * (whole - table))
    move_slices(averages.handle, table.handle, table.shape, rate)
    np.testing.assert_array_equal(averages, whole)
