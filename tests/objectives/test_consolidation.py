"""Elastic weight consolidation: its penalty and the gradient of that, against the formula of the paper."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from sftkeras.objectives.consolidation import Consolidation


def test_the_penalty_is_half_the_weighted_squared_distance() -> None:
    random = np.random.default_rng(1)
    before = [random.normal(size=shape).astype(np.float32) for shape in ((3, 2), (2,))]
    information = [random.uniform(size=values.shape).astype(np.float32) for values in before]
    variables = [keras.Variable(values) for values in before]
    penalty = Consolidation(variables, information, 7.0)
    assert float(penalty()) == 0
    moves = [random.normal(size=values.shape).astype(np.float32) for values in before]
    for variable, move in zip(variables, moves, strict=True):
        variable.assign_add(move)
    with tf.GradientTape() as tape:
        value = penalty()
    expected = 3.5 * sum((known * move**2).sum() for known, move in zip(information, moves, strict=True))
    assert float(value) == pytest.approx(expected, rel=1e-5)
    gradients = tape.gradient(value, [variable.value for variable in variables])
    for gradient, known, move in zip(gradients, information, moves, strict=True):
        np.testing.assert_allclose(gradient, 7 * known * move, rtol=1e-4)
