"""Fisher information against plain NumPy: squared gradients of labels that the model draws, one row at a time."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from sftkeras.data.storage.joined import LearnedRows
from sftkeras.errors import SFTError
from sftkeras.tasks.classification.task import Classification
from sftkeras.training.fisher import FisherRows, find_fisher_information

ROWS, SIZE, SEED = 40, 5, 3


class Vectors:
    """Rows that are vectors already."""

    unit = "numbers"

    def __init__(self) -> None:
        self.vectors = np.random.default_rng(2).normal(size=(ROWS, SIZE)).astype(np.float32)
        self.lengths = np.full(ROWS, 8, np.int32)

    def at(self, epoch: int) -> Vectors:
        return self

    def batch(self, rows: np.ndarray, length: int) -> dict[str, np.ndarray]:
        return {"vector": self.vectors[rows]}


def linear(labels: int) -> keras.Model:
    vector = keras.Input([SIZE], name="vector")
    head = keras.layers.Dense(labels, kernel_initializer=keras.initializers.RandomNormal(seed=4), name="logits")
    return keras.Model({"vector": vector}, head(vector))


def rows_of(inputs: Any, rows: int = 30) -> FisherRows:
    learned = LearnedRows(inputs, np.arange(10, ROWS, dtype=np.int32), np.zeros(ROWS, np.int32))
    return FisherRows([learned], rows, SEED)


@pytest.mark.parametrize("known", [("a", "b", "c"), ("c", "a")])
def test_it_is_the_mean_square_of_the_gradients_of_drawn_labels(known: tuple[str, ...]) -> None:
    inputs, task, earlier = Vectors(), Classification(("a", "b", "c")), Classification(known)
    network, strategy = linear(3), tf.distribute.get_strategy()
    places = [task.label_names.index(name) for name in known]
    kernel, bias = find_fisher_information(network, task, earlier, rows_of(inputs), 8, strategy, {"known": known})
    expected = np.zeros((SIZE + 1, 3))
    for row in range(10, ROWS):
        logits = network({"vector": inputs.vectors[row : row + 1]}).numpy()[:, places]
        (label,) = earlier.draw(tf.zeros(1, tf.int32), logits, tf.constant([SEED, row])).numpy()
        away = np.exp(logits[0]) / np.exp(logits[0]).sum() - np.eye(len(known))[label]
        expected[:, places] += np.outer([*inputs.vectors[row], 1], away) ** 2 / (ROWS - 10)
    np.testing.assert_allclose(np.concatenate([kernel, bias[None]]), expected, rtol=1e-4, atol=1e-7)


def test_it_is_of_some_rows_which_the_seed_decides_and_is_computed_once() -> None:
    inputs, task, strategy = Vectors(), Classification(("a", "b", "c")), tf.distribute.get_strategy()
    some = rows_of(inputs, 7)
    assert len(some.rows) == 7
    assert some.rows.tolist() == rows_of(inputs, 7).rows.tolist()
    first = find_fisher_information(linear(3), task, task, some, 8, strategy, {"some": 7})
    inputs.vectors[:] = 0
    again = find_fisher_information(linear(3), task, task, some, 8, strategy, {"some": 7})
    np.testing.assert_array_equal(first[0], again[0])
    with pytest.raises(SFTError, match="SFT467"):
        FisherRows([], 7, SEED)
