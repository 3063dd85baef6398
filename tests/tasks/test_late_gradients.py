from __future__ import annotations

from collections.abc import Callable
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from sftkeras.tasks.late_gradients import late_gradients, postpone
from sftkeras.tasks.vocabulary_loss import token_results

VOCABULARY, HIDDEN = 50, 6
IDS, LABELS = tf.constant([[3, 7, 3], [0, 49, 7]]), tf.constant([7, 3, 1, 49, -1, 2])


class TinyModel:
    """A token embedding, a dense layer, and logits by a table, which may be the embedding."""

    def __init__(self, *, tied: bool) -> None:
        random = np.random.default_rng(3)
        shapes = {"embedding": (VOCABULARY, HIDDEN), "dense": (HIDDEN, HIDDEN)} | (
            {} if tied else {"output": (VOCABULARY, HIDDEN)}
        )
        self.variables = [
            keras.Variable(random.normal(0, 0.5, shape), dtype="float32", name=name) for name, shape in shapes.items()
        ]
        self.embedding, self.dense = self.variables[:2]
        self.output = self.variables[-1] if not tied else self.embedding

    def loss(self) -> tf.Tensor:
        vectors = tf.reshape(tf.gather(self.embedding.value, IDS), [-1, HIDDEN]) @ self.dense.value
        kernel = tf.convert_to_tensor(self.output.value)
        later = partial(postpone, self.output)
        return tf.reduce_sum(token_results(vectors, kernel, LABELS, postpone=later, most_logits=80).losses)

    def at_once(self) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = self.loss()
        return [tf.convert_to_tensor(each) for each in tape.gradient(loss, self._values())]

    def late(self) -> list[tf.Tensor]:
        with late_gradients() as late:
            with tf.GradientTape() as tape:
                loss = self.loss()
            gradients = tape.gradient(loss, self._values())
        return [tf.convert_to_tensor(each) for each in late.complete(self.variables, gradients)]

    def _values(self) -> list[tf.Variable]:
        return [variable.value for variable in self.variables]


@pytest.mark.parametrize(
    "run", [partial(tf.function, autograph=False), lambda function: function], ids=["in a graph", "eagerly"]
)
@pytest.mark.parametrize("tied", [True, False])
def test_postponed_gradients_are_those_of_the_tape(
    tied: bool, run: Callable[..., Callable[[], list[tf.Tensor]]]
) -> None:
    model = TinyModel(tied=tied)
    for late, at_once in zip(run(model.late)(), model.at_once(), strict=True):
        np.testing.assert_allclose(late, at_once, rtol=1e-5, atol=1e-6)


def test_the_gradient_of_the_output_layer_waits_for_all_others() -> None:
    model = TinyModel(tied=False)
    traced = tf.function(model.late, autograph=False).get_concrete_function()
    (room,) = (operation for operation in traced.graph.get_operations() if operation.type == "Empty")
    of_dense = traced.outputs[1].op.inputs[0].op
    assert of_dense.type == "MatMul"
    assert of_dense in all_before(room)


def all_before(operation: tf.Operation) -> set[tf.Operation]:
    """What must be computed before an operation."""
    found: set[tf.Operation] = set()
    asked = [operation]
    while asked:
        before = asked.pop()
        own = {*(tensor.op for tensor in before.inputs), *before.control_inputs} - found
        found |= own
        asked.extend(own)
    return found


def test_a_table_that_does_not_learn_now_has_no_gradient_made() -> None:
    model = TinyModel(tied=True)

    @partial(tf.function, autograph=False)
    def of_dense() -> list[tf.Tensor]:
        with late_gradients() as late:
            with tf.GradientTape() as tape:
                loss = model.loss()
            gradient = tape.gradient(loss, model.dense.value)
        return late.complete([model.dense], [gradient], lambda variable: True)

    types = {operation.type for operation in of_dense.get_concrete_function().graph.get_operations()}
    assert not {"Empty", "TensorListReserve"} & types
    np.testing.assert_allclose(of_dense()[0], model.at_once()[1], rtol=1e-5, atol=1e-6)


def test_what_has_no_gradient_gets_zeros() -> None:
    model = TinyModel(tied=True)
    with late_gradients() as late:
        pass
    (zeros,) = late.complete([model.dense], [None])
    np.testing.assert_array_equal(zeros, np.zeros((HIDDEN, HIDDEN)))
