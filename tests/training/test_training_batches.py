"""The arrays that `fit` gets are the plan's, batch by batch, and their weights share out one."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from small_fit import CONFIG, LABELS, ROWS, TOKENS, Tokens, batches

from sftkeras.data import BatchPlan
from sftkeras.data.storage.teacher_outputs import GivenRows, find_teacher_outputs
from sftkeras.tasks.causal_lm.spec import CausalLMSettings
from sftkeras.tasks.causal_lm.task import CausalLM
from sftkeras.tasks.classification.task import Classification
from sftkeras.training.batches import Batches


def test_a_batch_holds_the_rows_of_the_plan() -> None:
    train = batches(CONFIG, "train")
    for epoch in range(2):
        for step in range(train.steps):
            rows, length = train.plan.batch(epoch, step)
            inputs, labels, _ = train.arrays(epoch, step)
            np.testing.assert_array_equal(labels, LABELS[rows])
            np.testing.assert_array_equal(inputs["padding_mask"].sum(1), TOKENS.lengths[rows])
            assert inputs["token_ids"].shape == (len(rows), length)
            assert train.size(epoch, step) == (len(rows), int(TOKENS.lengths[rows].sum()))


def test_weights_sum_to_one_over_the_whole_batch() -> None:
    train = batches(CONFIG, "train")
    train._task = Classification(("even", "odd"), class_weights=(1.0, 3.0))
    for step in range(train.steps):
        _, labels, weights = train.arrays(0, step)
        assert weights.dtype == np.float32
        np.testing.assert_allclose(weights.sum(), 1, rtol=1e-6)
        np.testing.assert_allclose(weights / weights.min(), np.where(labels == 1, 3, 1) / (3 if labels.all() else 1))


def test_no_batch_is_longer_than_the_encoder_takes() -> None:
    train = batches(CONFIG, "train", max_length=5)
    assert max(train.arrays(0, step)[0]["token_ids"].shape[1] for step in range(train.steps)) == 5


def test_the_dataset_is_every_epoch_in_order() -> None:
    train = batches(CONFIG, "train")
    dataset = train.dataset(range(1, 3))
    assert dataset.cardinality() == train.steps * 2
    found = list(dataset.as_numpy_iterator())
    expected = [train.arrays(epoch, step) for epoch in (1, 2) for step in range(train.steps)]
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, one, other)


@pytest.mark.parametrize("replicas", [1, 2, 3, 11])
def test_the_parts_of_a_batch_are_the_batch(replicas: int) -> None:
    train = batches(CONFIG, "train")
    parts = list(train.dataset(range(1), range(replicas), replicas).as_numpy_iterator())
    assert len(parts) == train.steps * replicas
    for step in range(train.steps):
        inputs, labels, weights = train.arrays(0, step)
        of_step = parts[step * replicas : (step + 1) * replicas]
        np.testing.assert_array_equal(np.concatenate([part[1] for part in of_step]), labels)
        np.testing.assert_array_equal(np.concatenate([part[2] for part in of_step]), weights)
        for name, array in inputs.items():
            np.testing.assert_array_equal(np.concatenate([part[0][name] for part in of_step]), array)
        rows = [len(part[1]) for part in of_step]
        assert max(rows) - min(rows) <= 1  # shared out evenly: with 11 replicas some get none


def test_a_worker_gets_the_parts_of_its_own_replicas() -> None:
    train = batches(CONFIG, "train")
    whole = list(train.dataset(range(1), range(4), 4).as_numpy_iterator())
    second = list(train.dataset(range(1), range(2, 4), 4).as_numpy_iterator())
    expected = [part for step in range(train.steps) for part in whole[4 * step + 2 : 4 * step + 4]]
    for one, other in zip(second, expected, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, one, other)


class LearnedTokens(Tokens):
    """The same rows, of which some tokens are learned."""

    def batch(self, rows: np.ndarray, length: int) -> dict[str, np.ndarray]:
        inputs = super().batch(rows, length)
        tokens, mask = inputs["token_ids"], inputs["padding_mask"]
        return {"token_ids": tokens, "padding_mask": mask, "learned": (tokens % 3 > 0) * mask}


@pytest.mark.parametrize("room", [None, 16])
def test_each_learned_token_has_what_a_teacher_gave_of_it_in_packed_rows_too(room: int | None) -> None:
    task, rows = CausalLM(CausalLMSettings()), LearnedTokens()
    targets = task.soft_targets()
    kept = targets.dtype(2)

    def give() -> GivenRows:
        for row in reversed(range(ROWS)):
            _, labels = task.targets(rows.batch(np.array([row]), 10), None, np.random.default_rng(0))
            given = np.zeros(labels.shape, kept)
            given["tokens"][..., 0], given["tokens"][..., 1], given["shares"] = labels, row, (0.75, 0.25)
            yield np.array([row]), given, targets.places({}, labels)

    given = find_teacher_outputs({"rows": "each says its label and its number"}, give, kept)
    plan = BatchPlan(rows.lengths, np.arange(ROWS), 8, seed=1, room=room)
    train = Batches(plan, rows, np.zeros(ROWS), task, 16, given=[given])  # type: ignore[arg-type]
    packed = False
    for step in range(train.steps):
        inputs, labels, _ = train.arrays(0, step)
        there = labels >= 0
        tokens, shares = inputs["teacher_tokens"], inputs["teacher_shares"]
        np.testing.assert_array_equal(tokens[..., 0][there], labels[there])
        np.testing.assert_array_equal(shares, np.where(there[..., np.newaxis], (0.75, 0.25), 0))
        packed |= any(len(set(row[are])) > 1 for row, are in zip(tokens[..., 1], there, strict=True))
    assert packed == (room is not None)
