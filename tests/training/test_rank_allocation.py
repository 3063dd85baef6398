"""Ranks are allotted as the paper's algorithm says: every step against a plain implementation in NumPy."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from sftkeras.backbones.dense.adaptive_rank import AdaptiveRank, AdaptiveRankSettings
from sftkeras.tuning.rank_allocation import Budget, RankAllocation

STEPS, RANK = 24, 4
SIZES = ((5, 3), (3, 6), (4, 4))
TARGET = 5


def reference(starts: list[list[np.ndarray]], gradients: list[list[list[np.ndarray]]], rate: float) -> list[np.ndarray]:
    """Algorithm 1 of the paper with plain gradient descent: singular values after each step, [steps, layers, rank].

    Nothing is cut for 15% of the steps, then down to the target by the third power, and for the last half what is left
    stays; both averages keep 0.85 of themselves.
    """
    weights = [[array.astype(np.float64) for array in layer] for layer in starts]
    mean = [[np.zeros_like(array) for array in layer] for layer in weights]
    spread = [[np.zeros_like(array) for array in layer] for layer in weights]
    total, kept, after = len(starts) * RANK, np.ones([len(starts), RANK]), []
    begins, ends = 4, 12
    for step in range(1, STEPS + 1):
        scores = np.zeros([len(starts), RANK])
        for number, layer in enumerate(weights):
            for part, array in enumerate(layer):
                gradient = gradients[step - 1][number][part]
                now = np.abs(array * gradient)
                mean[number][part] = 0.85 * mean[number][part] + 0.15 * now
                spread[number][part] = 0.85 * spread[number][part] + 0.15 * np.abs(now - mean[number][part])
                layer[part] = array - rate * gradient
            left, right, values = (m * s for m, s in zip(mean[number], spread[number], strict=True))
            scores[number] = values + left.mean(0) + right.mean(1)
        if begins <= step <= ends:
            budget = TARGET + int((total - TARGET) * (1 - (step - begins) / (ends - begins)) ** 3)
            kept = np.zeros_like(kept)
            kept.flat[np.argsort(-scores, axis=None)[:budget]] = 1
        if step >= begins:
            for number, layer in enumerate(weights):
                layer[2] = layer[2] * kept[number]
        after.append(np.stack([layer[2] for layer in weights]))
    return after


@pytest.mark.parametrize("scale", [1.0, 64.0])
def test_singular_values_are_those_of_the_paper_after_each_step(scale: float) -> None:
    draw = np.random.default_rng(7)
    adapters = [
        AdaptiveRank(inputs, outputs, AdaptiveRankSettings(RANK, 1.0), name=f"layer_{number}")
        for number, (inputs, outputs) in enumerate(SIZES)
    ]
    variables = [variable for adapter in adapters for variable in adapter.parameters]
    for variable in variables:
        variable.assign(draw.normal(size=variable.shape))
    gradients = [
        [
            [draw.normal(size=variable.shape).astype(np.float32) for variable in adapter.parameters]
            for adapter in adapters
        ]
        for _ in range(STEPS)
    ]
    expected = reference([adapter.values() for adapter in adapters], gradients, rate=0.1)
    allocation = RankAllocation(adapters, Budget(len(SIZES) * RANK, TARGET, STEPS))
    for step, of_step in enumerate(gradients, 1):
        flat = [gradient for of_adapter in of_step for gradient in of_adapter]
        scaled = [tf.constant(gradient * scale) for gradient in flat]
        allocation.observe(variables, scaled, tf.constant(scale), tf.constant(True))
        for variable, gradient in zip(variables, flat, strict=True):
            variable.assign_sub(0.1 * gradient)
        allocation.cut(tf.constant(step))
        found = np.stack([adapter.parameters[2].numpy() for adapter in adapters])
        np.testing.assert_allclose(found, expected[step - 1], rtol=1e-4, atol=1e-5, err_msg=str(step))
    assert np.count_nonzero(found) == TARGET


def test_a_step_that_is_skipped_counts_for_nothing() -> None:
    adapter = AdaptiveRank(3, 3, AdaptiveRankSettings(2, 1.0))
    for variable in adapter.parameters:
        variable.assign(np.ones(variable.shape))
    allocation = RankAllocation([adapter], Budget(2, 1, 10))
    before = [keras.ops.convert_to_numpy(variable) for variable in allocation.variables]
    infinite = [tf.fill(variable.shape, np.inf) for variable in adapter.parameters]
    allocation.observe(adapter.parameters, infinite, tf.constant(1.0), tf.constant(False))
    for variable, value in zip(allocation.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_the_budget_falls_by_the_third_power_between_its_two_ends() -> None:
    budget = Budget(first=100, target=40, steps=1000)
    assert (budget.begins, budget.ends, budget.every) == (150, 500, 2)
    found = [int(budget.after(tf.constant(step))) for step in (0, 150, 325, 499, 500, 1000)]
    assert found == [100, 100, 47, 40, 40, 40]
    assert [bool(budget.cuts(tf.constant(step))) for step in (0, 149, 150, 151, 498, 500, 502)] == [
        *(False, False, True, False),
        *(True, True, False),
    ]
