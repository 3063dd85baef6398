"""Steps of a decoder that learns the next token: packed rows, micro-batches, noise, products in bfloat16."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from toy_decoder import toy_backbone

from sftkeras.config import OptimizerConfig
from sftkeras.data.packing import first_fit, pack_rows
from sftkeras.tasks import attach_head
from sftkeras.tasks.next_tokens import NextTokens
from sftkeras.training.fit import products_of
from sftkeras.training.step.model import SupervisedModel
from sftkeras.training.step.optimizers import make_optimizer

LENGTHS = np.array([9, 4, 7, 5, 3])


class NextTokensOfTest(NextTokens):
    kind = "causal_lm"

    def __init__(self, noise: float) -> None:
        self.noise = noise

    @property
    def embedding_noise(self) -> float:
        return self.noise


def stepped(*, packed: bool = False, noise: float = 0.0, **settings: Any) -> tuple[dict[str, float], list[np.ndarray]]:
    """Two steps: the figures, and the weights afterwards."""
    keras.utils.set_random_seed(3)
    task = NextTokensOfTest(noise)
    network = attach_head(toy_backbone(40, 16), task, "mean")
    model = SupervisedModel(network, task, seed=1, clip_norm=0.5, **settings)
    optimizer = OptimizerConfig(name="sgd", learning_rate=0.5)
    model.compile(make_optimizer(optimizer, total_steps=2, loss_scaling=False, rate_factors=(), own_steps=False))
    batch = tf.data.Dataset.from_tensors(rows(task, packed)).repeat()
    history = model.fit(batch, steps_per_epoch=2, verbose=0).history
    return {name: values[-1] for name, values in history.items()}, [it.numpy() for it in network.trainable_variables]


def rows(task: NextTokens, packed: bool) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Five rows, the last without a learned token; or the same in two."""
    random = np.random.default_rng(2)
    mask = (np.arange(14) < LENGTHS[:, np.newaxis]).astype(np.int32)
    learned = (random.random(mask.shape) < 0.6).astype(np.int32) * mask
    learned[-1] = 0
    inputs = {"token_ids": random.integers(40, size=mask.shape).astype(np.int32) * mask, "learned": learned}
    inputs["padding_mask"] = mask
    if packed:
        inputs = pack_rows(inputs, first_fit(LENGTHS, 14))
        assert len(inputs["token_ids"]) == 2
    inputs, labels = task.targets(inputs, None, random)
    weights = task.example_weights(labels)
    return inputs, labels, weights / weights.sum()


def assert_alike(
    one: tuple[dict[str, float], list[np.ndarray]], other: tuple[dict[str, float], list[np.ndarray]]
) -> None:
    assert one[0] == pytest.approx(other[0], rel=1e-5)
    for weights, others in zip(one[1], other[1], strict=True):
        np.testing.assert_allclose(others, weights, rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def plain() -> tuple[dict[str, float], list[np.ndarray]]:
    return stepped()


def test_packed_rows_learn_what_they_learn_apart(plain: tuple) -> None:
    assert_alike(stepped(packed=True), plain)


def test_figures_are_those_of_learned_tokens(plain: tuple) -> None:
    figures, _ = plain
    assert figures["perplexity"] == pytest.approx(np.exp(figures["loss"]), rel=1e-5)
    assert 0 <= figures["token_accuracy"] <= 1


def test_micro_batches_add_the_same_noise(plain: tuple) -> None:
    noisy = stepped(noise=5.0)
    assert np.abs(noisy[1][0] - plain[1][0]).max() > 1e-4
    assert_alike(stepped(noise=5.0, accumulation=3), noisy)


def test_products_in_bfloat16_learn_nearly_the_same(plain: tuple) -> None:
    products = products_of(NextTokensOfTest(0.0), "mixed_bfloat16")
    figures, weights = stepped(products=products)
    assert figures["loss"] == pytest.approx(plain[0]["loss"], rel=1e-2)
    assert figures["loss"] != plain[0]["loss"]
    assert {it.dtype.name for it in weights} == {"float32"}
    assert products_of(NextTokensOfTest(0.0), "float32") is None
