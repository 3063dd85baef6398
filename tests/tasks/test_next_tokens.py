"""What the tasks that predict the next token share: targets and weights. Their training is tested in tests/training."""

from __future__ import annotations

import numpy as np

from sftkeras.data.packing import first_fit, pack_rows
from sftkeras.tasks.next_tokens import NextTokens

LENGTH = 8
TASK = NextTokens()


def inputs_of(*rows: tuple[list[int], list[int]]) -> dict[str, np.ndarray]:
    """Rows as the token cache gives them, of their tokens and of whether each is learned."""

    def padded(values: list[list[int]]) -> np.ndarray:
        return np.array([row + [0] * (LENGTH - len(row)) for row in values], np.int32)

    tokens, learned = [row[0] for row in rows], [row[1] for row in rows]
    return {
        "token_ids": padded(tokens),
        "learned": padded(learned),
        "padding_mask": padded([[1] * len(row) for row in tokens]),
    }


def test_a_learned_token_is_predicted_at_the_place_before_it() -> None:
    inputs, labels = targets(inputs_of(([5, 6, 7, 8], [0, 0, 1, 1]), ([4, 3, 2], [0, 1, 0])))
    np.testing.assert_array_equal(inputs["learned_positions"], [[1, 2], [0, 0]])
    np.testing.assert_array_equal(labels, [[7, 8], [3, -1]])
    np.testing.assert_array_equal(inputs["positions"][0], [0, 1, 2, 3, 0, 0, 0, 0])
    np.testing.assert_array_equal(inputs["segments"][1], [1, 1, 1, 0, 0, 0, 0, 0])
    assert set(inputs) == {"token_ids", "positions", "segments", "learned_positions"}


def test_each_learned_token_counts_once_and_a_row_without_any_not_at_all() -> None:
    _, labels = targets(inputs_of(([5, 6, 7, 8], [0, 1, 1, 1]), ([4, 3, 2], [0, 0, 0])))
    np.testing.assert_array_equal(TASK.example_weights(labels), [3, 0])
    assert TASK.units(labels) == 3


def test_nothing_predicts_the_first_token() -> None:
    _, labels = targets(inputs_of(([5, 6], [1, 1]), ([7], [1])))
    np.testing.assert_array_equal(labels, [[6], [-1]])


def test_packed_rows_learn_the_same_and_nothing_across_their_borders() -> None:
    rows = inputs_of(([5, 6, 7], [1, 1, 1]), ([8, 9, 1, 2], [1, 0, 1, 1]))
    inputs, labels = targets(pack_rows(rows, first_fit(np.array([3, 4]), LENGTH)))
    np.testing.assert_array_equal(inputs["token_ids"], [[5, 6, 7, 8, 9, 1, 2, 0]])
    np.testing.assert_array_equal(inputs["segments"], [[1, 1, 1, 2, 2, 2, 2, 0]])
    np.testing.assert_array_equal(inputs["positions"], [[0, 1, 2, 0, 1, 2, 3, 0]])
    np.testing.assert_array_equal(labels, [[6, 7, 1, 2]])
    np.testing.assert_array_equal(inputs["learned_positions"], [[0, 1, 4, 5]])


def targets(inputs: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    return TASK.targets(inputs, None, np.random.default_rng(0))
