"""Optimizers, and learning rates over the run."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from sftkeras.config import OptimizerConfig
from sftkeras.training.step.optimizers import FusedAdamW, WarmupSchedule, make_optimizer

NAMES = ["kernel", "bias", "gamma", "beta", "embeddings"]


def variables() -> list[keras.Variable]:
    random = np.random.default_rng(1)
    return [keras.Variable(random.normal(0, 1, (4, 3)).astype(np.float32), name=name) for name in NAMES]


def after_steps(optimizer: keras.optimizers.Optimizer, steps: int, scale: float = 1.0) -> list[np.ndarray]:
    weights, random = variables(), np.random.default_rng(2)
    for _ in range(steps):
        gradients = [tf.constant(random.normal(0, scale, (4, 3)), tf.float32) for _ in weights]
        optimizer.apply(gradients, weights)
    return [weight.numpy() for weight in weights]


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e4])
def test_the_fused_update_is_that_of_keras(scale: float) -> None:
    settings: dict[str, Any] = {"weight_decay": 0.05, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-8}
    results = []
    for kind in (FusedAdamW, keras.optimizers.AdamW):
        optimizer = kind(WarmupSchedule(1e-3, 10, 3, "linear"), **settings)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        results.append(after_steps(optimizer, 8, scale))
    for fused, stock in zip(*results, strict=True):
        np.testing.assert_allclose(fused, stock, atol=1e-7)


def test_a_large_table_that_decays_last_ends_where_keras_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sftkeras.training.step.sliced_updates._MANY_NUMBERS", 12)
    fused, stock = (after_steps(kind(1e-2, weight_decay=0.5), 8) for kind in (FusedAdamW, keras.optimizers.AdamW))
    np.testing.assert_allclose(fused, stock, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("steps_before", [0, 1, 30])
def test_a_variable_that_learns_later_begins_as_any_other(steps_before: int) -> None:
    late, other = variables()[:2]
    optimizer = FusedAdamW(1e-2, own_steps=True)
    optimizer.build([late, other])
    gradient = tf.ones((4, 3))
    for _ in range(steps_before):
        optimizer.apply([gradient], [other])
    before = late.numpy()
    optimizer.apply([gradient, gradient], [late, other])
    # Adam's first step is the learning rate's size, whatever the gradient's; weight decay comes first.
    np.testing.assert_allclose(late.numpy(), before * (1 - 1e-2 * 0.004) - 1e-2, rtol=1e-5)


def test_rates_and_decay_have_the_variable_s_factor() -> None:
    gradient = tf.ones((4, 3))
    for name in ("adamw", "adam", "sgd"):
        config = OptimizerConfig(name=name, learning_rate=0.1, weight_decay=0.5, schedule="constant", warmup=0.0)
        moved = []
        for factors in ((1.0, 1.0), (0.25, 1.0)):
            optimizer = make_optimizer(config, total_steps=4, loss_scaling=False, rate_factors=factors)
            weights = [variable for variable in variables() if variable.name in ("kernel", "embeddings")]
            before = [weight.numpy() for weight in weights]
            optimizer.apply([gradient, gradient], weights)
            moved.append([weight.numpy() - old for weight, old in zip(weights, before, strict=True)])
        # Decay and step each have the factor; together they have it too, but for the decay's share of the step.
        np.testing.assert_allclose(moved[1][0], moved[0][0] * 0.25, rtol=1e-4, err_msg=name)
        np.testing.assert_array_equal(moved[1][1], moved[0][1])


def test_biases_and_layer_norms_are_not_decayed() -> None:
    optimizer = make_optimizer(
        OptimizerConfig(learning_rate=0.1, weight_decay=0.5, schedule="constant", warmup=0.0),
        total_steps=4,
        loss_scaling=False,
    )
    before = variables()
    weights = variables()
    optimizer.apply([tf.zeros((4, 3))] * len(weights), weights)
    for name, old, new in zip(NAMES, before, weights, strict=True):
        factor = 1.0 if name in ("bias", "gamma", "beta") else 1 - 0.1 * 0.5
        np.testing.assert_allclose(new.numpy(), old.numpy() * factor, rtol=1e-6, err_msg=name)


def test_adam_decays_nothing() -> None:
    optimizer = make_optimizer(
        OptimizerConfig(name="adam", weight_decay=0.5, warmup=0.0), total_steps=4, loss_scaling=False
    )
    weights = variables()
    optimizer.apply([tf.zeros((4, 3))] * len(weights), weights)
    np.testing.assert_array_equal(weights[0].numpy(), variables()[0].numpy())


def test_settings_reach_the_optimizer() -> None:
    config = OptimizerConfig(beta_1=0.7, beta_2=0.8, epsilon=1e-6, learning_rate=3e-4, weight_decay=0.2)
    optimizer = make_optimizer(config, total_steps=10, loss_scaling=False)
    found = (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon, optimizer.weight_decay)
    assert found == (0.7, 0.8, 1e-6, 0.2)
    sgd = make_optimizer(OptimizerConfig(name="sgd", momentum=0.9), total_steps=10, loss_scaling=False)
    assert type(sgd) is keras.optimizers.SGD
    assert sgd.momentum == 0.9
    scaled = make_optimizer(config, total_steps=10, loss_scaling=True)
    assert type(scaled) is keras.optimizers.LossScaleOptimizer
    assert type(scaled.inner_optimizer) is FusedAdamW


@pytest.mark.parametrize(
    ("shape", "warmup", "expected"),
    [
        ("linear", 2, [0.5, 1, 1, 0.75, 0.5, 0.25, 0, 0]),
        ("cosine", 2, [0.5, 1, 1, 0.8535534, 0.5, 0.1464466, 0, 0]),
        ("constant", 2, [0.5, 1, 1, 1, 1, 1, 1, 1]),
        ("linear", 0, [1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0, 0]),
    ],
)
def test_the_learning_rate_rises_and_falls(shape: Any, warmup: int, expected: list[float]) -> None:
    schedule = WarmupSchedule(2e-5, total_steps=6, warmup_steps=warmup, shape=shape)
    rates = [float(schedule(tf.constant(step, tf.int64))) for step in range(8)]
    assert rates == pytest.approx([2e-5 * share for share in expected], abs=1e-11)


def test_every_step_moves_the_weights() -> None:
    for total in (1, 2, 7, 100):
        schedule = WarmupSchedule(1.0, total, round(0.1 * total), "linear")
        assert all(float(schedule(step)) > 0 for step in range(total))


def test_schedule_and_optimizer_survive_their_configs() -> None:
    schedule = WarmupSchedule(1e-3, 10, 3, "cosine")
    again = WarmupSchedule.from_config(schedule.get_config())
    assert [float(again(step)) for step in range(10)] == [float(schedule(step)) for step in range(10)]
    optimizer = FusedAdamW(schedule, weight_decay=0.1)
    assert type(keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))) is FusedAdamW
