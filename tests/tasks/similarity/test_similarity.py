"""The losses of pairs are the formulas, and equal texts are never taken for wrong answers."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from sftkeras.errors import SFTError
from sftkeras.tasks import make_task, restore_task
from sftkeras.tasks.similarity.features import FIRST, SECOND
from sftkeras.tasks.similarity.spec import SimilaritySettings
from sftkeras.tasks.similarity.task import MatchingPairs, ScoredPairs

PAIRS, HIDDEN = 5, 7
RANDOM = np.random.default_rng(6)
RAW = RANDOM.normal(size=(2 * PAIRS, HIDDEN))
VECTORS = (RAW / np.linalg.norm(RAW, axis=1, keepdims=True)).astype(np.float32)
COSINES = (VECTORS[0::2].astype(np.float64) * VECTORS[1::2]).sum(1)
NUMBERS = np.arange(2 * PAIRS, dtype=np.int32)
TOGETHER = np.array([1, 0, 1, 1, 0], np.float32)


def ranking_loss(vectors: np.ndarray, numbers: np.ndarray, temperature: float) -> np.ndarray:
    """Multiple negatives ranking in both directions, row by row, as its formula is written."""
    first, second = vectors[0::2].astype(np.float64), vectors[1::2].astype(np.float64)
    first_text, second_text = numbers[0::2], numbers[1::2]
    losses = []
    for pair in range(len(first)):
        for own, others, direction in ((first, second, 1), (second, first, 0)):
            exponents = []
            for other in range(len(first)):
                one, two = (pair, other) if direction else (other, pair)
                related = (
                    first_text[one] == first_text[two]
                    or second_text[one] == second_text[two]
                    or first_text[one] == second_text[two]
                )
                if other == pair or not related:
                    exponents.append(np.exp(own[pair] @ others[other] / temperature))
            losses.append(-np.log(np.exp(own[pair] @ others[pair] / temperature) / sum(exponents)))
    return np.array(losses)


def loss_of(task: MatchingPairs | ScoredPairs, labels: np.ndarray, vectors: np.ndarray = VECTORS) -> np.ndarray:
    found = task.loss(tf.constant(labels), tf.constant(vectors))
    assert found.dtype == tf.float32
    return found.numpy()


@pytest.mark.parametrize("temperature", [1.0, 0.05])
def test_matching_is_multiple_negatives_ranking(temperature: float) -> None:
    found = loss_of(MatchingPairs(temperature), NUMBERS)
    np.testing.assert_allclose(found, ranking_loss(VECTORS, NUMBERS, temperature), rtol=1e-4)


def test_texts_that_belong_together_by_another_pair_are_no_wrong_answers() -> None:
    numbers = NUMBERS.copy()
    numbers[3] = numbers[1]  # pairs 0 and 1 have the same second text,
    numbers[8] = numbers[4]  # pairs 2 and 4 the same first one,
    numbers[6] = numbers[5]  # and the second text of pair 2 is the first of pair 3
    found = loss_of(MatchingPairs(0.1), numbers)
    np.testing.assert_allclose(found, ranking_loss(VECTORS, numbers, 0.1), rtol=1e-4)
    assert (found < loss_of(MatchingPairs(0.1), NUMBERS) - 1e-4).sum() >= 4


def test_a_pair_alone_has_nothing_to_learn() -> None:
    np.testing.assert_allclose(loss_of(MatchingPairs(), NUMBERS[:2], VECTORS[:2]), 0, atol=1e-6)


def test_contrastive_is_that_of_hadsell() -> None:
    distance = 1 - COSINES
    expected = np.where(TOGETHER == 1, distance**2, np.maximum(0.9 - distance, 0) ** 2) / 2
    found = loss_of(ScoredPairs("contrastive", margin=0.9), np.repeat(TOGETHER, 2))
    np.testing.assert_allclose(found, np.repeat(expected, 2), rtol=1e-4, atol=1e-6)


def test_cosine_is_the_squared_error_of_the_cosine() -> None:
    wanted = np.linspace(-1, 1, PAIRS).astype(np.float32)
    found = loss_of(ScoredPairs("cosine"), np.repeat(wanted, 2))
    np.testing.assert_allclose(found, np.repeat((COSINES - wanted) ** 2, 2), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("task", [MatchingPairs(), ScoredPairs("cosine"), ScoredPairs("contrastive")])
def test_no_rows_have_no_loss_and_no_metrics(task: MatchingPairs | ScoredPairs) -> None:
    labels = NUMBERS[:0] if isinstance(task, MatchingPairs) else TOGETHER[:0]
    assert loss_of(task, labels, VECTORS[:0]).shape == (0,)
    (metric,) = task.metrics()
    metric.update_state(task.truths(tf.constant(labels)), task.predictions(tf.constant(VECTORS[:0])))
    assert float(metric.result()) == 0


def test_accuracy_counts_texts_nearest_to_their_partner() -> None:
    (metric,) = MatchingPairs().metrics()
    cosines = VECTORS[0::2] @ VECTORS[1::2].T
    hits = (cosines.argmax(1) == np.arange(PAIRS)).sum() + (cosines.argmax(0) == np.arange(PAIRS)).sum()
    metric.update_state(tf.constant(NUMBERS), tf.constant(VECTORS))
    assert float(metric.result()) == pytest.approx(hits / (2 * PAIRS))
    metric.update_state(tf.constant(NUMBERS[:2]), tf.constant(VECTORS[:2]))  # a batch of one pair: both are right
    assert float(metric.result()) == pytest.approx((hits + 2) / (2 * PAIRS + 2))


def test_correlation_is_that_of_all_batches_together() -> None:
    (metric,) = ScoredPairs().metrics()
    truths, answers = RANDOM.normal(size=40).astype(np.float32), RANDOM.normal(size=40).astype(np.float32)
    for part in (slice(0, 15), slice(15, 15), slice(15, 40)):
        metric.update_state(tf.constant(truths[part]), tf.constant(answers[part]))
    assert float(metric.result()) == pytest.approx(np.corrcoef(truths, answers)[0, 1], abs=1e-5)


def cached(lengths: list[tuple[int, int]]) -> dict[str, np.ndarray]:
    """What the token cache gives of pairs whose texts are so long; token n of text t is 10 t + n."""
    width = max(map(max, lengths))
    inputs = {"padding_mask": np.ones((len(lengths), width), np.int32)}
    for number, prefix in enumerate((FIRST, SECOND)):
        mask = np.arange(width) < np.array(lengths)[:, [number]]
        inputs[f"{prefix}padding_mask"] = mask.astype(np.int32)
        text = 2 * np.arange(len(lengths))[:, np.newaxis] + number
        inputs[f"{prefix}token_ids"] = (10 * text + np.arange(width)).astype(np.int32)  # of the padding too
    return inputs


def test_a_batch_has_both_texts_of_each_pair_one_after_the_other() -> None:
    rows, numbers = MatchingPairs().targets(cached([(2, 3), (1, 2)]), np.zeros(2, np.int32), RANDOM)
    assert set(rows) == {"token_ids", "padding_mask"}
    assert rows["token_ids"][:, 0].tolist() == [0, 10, 20, 30]
    assert rows["padding_mask"].sum(1).tolist() == [2, 3, 1, 2]
    assert numbers.dtype == np.int32
    assert len(set(numbers.tolist())) == 4


def test_texts_are_equal_whatever_their_padding_holds() -> None:
    inputs = cached([(2, 3), (2, 3)])
    inputs[f"{FIRST}token_ids"][1, :2] = inputs[f"{FIRST}token_ids"][0, :2]
    _, numbers = MatchingPairs().targets(inputs, np.zeros(2, np.int32), RANDOM)
    assert numbers[0] == numbers[2]
    assert len(set(numbers.tolist())) == 3


def test_numbers_become_cosines() -> None:
    task = make_task(SimilaritySettings(loss="cosine"), (), np.array([0, 2.5, 5], np.float32))
    _, wanted = task.targets(cached([(1, 1), (2, 1)]), np.array([5, 1], np.float32), RANDOM)
    assert wanted.tolist() == pytest.approx([1, 1, 0.2, 0.2])
    assert wanted.dtype == np.float32


def test_numbers_that_could_be_cosines_are_meant_as_they_are() -> None:
    task = make_task(SimilaritySettings(loss="cosine"), (), np.array([-0.2, 0.4], np.float32))
    assert (task.settings()["lowest"], task.settings()["highest"]) == (0, 1)


def test_contrastive_refuses_other_numbers_than_0_and_1() -> None:
    with pytest.raises(SFTError, match=r"SFT445.* 0\.5 "):
        make_task(SimilaritySettings(loss="contrastive"), (), np.array([0, 0.5, 1], np.float32))


@pytest.mark.parametrize("loss", ["multiple_negatives", "contrastive", "cosine"])
def test_the_task_survives_json(loss: str) -> None:
    task = make_task(SimilaritySettings(loss=loss), (), np.array([0, 1], np.float32))  # type: ignore[arg-type]
    settings = task.settings()
    restored = restore_task(json.loads(json.dumps(settings)))
    assert restored.settings() == settings
    outputs = restored.outputs(tf.constant(VECTORS), {})
    np.testing.assert_array_equal(outputs["vector"], VECTORS)
