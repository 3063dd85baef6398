"""Micro-batches hold what one part of a batch needs, and no more; a step that fails between two of them counts nothing.

That they change no result is tested in test_training_devices.py and test_whole_batch_devices.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import keras
import numpy as np
import pytest
import small_fit
import tensorflow as tf
from small_fit import Prepared, configured, prepare

from sftkeras.tasks.classification.task import Classification
from sftkeras.training.fit import fit, prepare_model
from sftkeras.training.step.model import SupervisedModel

PARTS = 4
CONFIG = configured(epochs=1, accumulation=PARTS)
LISTS = {"TensorListReserve", "TensorListSetItem", "TensorListConcatV2"}  # what a loop gathers tensors in


class MostRows(keras.metrics.Metric):
    """The most rows that were counted at once."""

    def __init__(self) -> None:
        super().__init__(name="most_rows", dtype="float32")
        self.most = self.add_variable((), "zeros")

    def update_state(self, truths: tf.Tensor, predictions: tf.Tensor, sample_weight: None = None) -> None:
        self.most.assign(tf.maximum(self.most.value, tf.cast(tf.shape(predictions)[0], tf.float32)))

    def result(self) -> tf.Tensor:
        return tf.identity(self.most.value)


class CountedTask(Classification):
    """Classes, with the most rows counted at once as the metric."""

    def metrics(self) -> list[keras.metrics.Metric]:
        return [MostRows()]


def counted_model() -> SupervisedModel:
    task = CountedTask(("even", "odd"), dropout=0.0)
    return prepare_model(small_fit.network(), task, CONFIG, total_steps=2, strategy=tf.distribute.get_strategy())


def operations(graph: tf.Graph) -> set[str]:
    """The kinds of operations of a graph and of the functions it calls."""
    definition = graph.as_graph_def()
    nodes = [*definition.node, *(node for function in definition.library.function for node in function.node_def)]
    return {node.op for node in nodes}


def test_metrics_are_counted_a_micro_batch_at_a_time() -> None:
    train, validation = small_fit.batches(CONFIG, "train"), small_fit.batches(CONFIG, "validation", shuffle=False)
    history = (
        counted_model()
        .fit(train.dataset(range(1)), validation_data=validation.dataset(range(1)), verbose=0, epochs=1)
        .history
    )
    assert history["most_rows"] == history["val_most_rows"] == [8 / PARTS]


@pytest.mark.parametrize("step", ["train_step", "test_step"])
def test_no_step_gathers_the_logits_of_its_micro_batches(step: str) -> None:
    model = counted_model()
    batch = next(iter(small_fit.batches(CONFIG, "train").dataset(range(1))))
    graph = tf.function(getattr(model, step), autograph=False).get_concrete_function(batch).graph
    assert "StatelessWhile" in operations(graph) or "While" in operations(graph)
    assert not LISTS & operations(graph)


class FailsOnce(keras.layers.Layer):
    """Runs out of memory at the third micro-batch it ever computes."""

    calls = 0

    def _maybe_fail(self) -> np.int32:
        self.calls += 1
        if self.calls == 3:
            raise MemoryError("no memory for a third part")
        return np.int32(0)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        with tf.control_dependencies([tf.numpy_function(self._maybe_fail, [], tf.int32)]):
            return tf.identity(inputs)


def figures(prepared: Prepared) -> dict[str, Any]:
    fitted = fit(prepared.model, prepared.train, prepared.validation, prepared.config, prepared.run)
    return {name: value for name, value in fitted.record.epochs[0].items() if name != "seconds"}


def test_parts_done_before_memory_ended_are_not_counted_twice(tmp_path: Path) -> None:
    expected = figures(prepare(tmp_path / "whole", CONFIG))
    plain = small_fit.network()
    failing = keras.Model(plain.input, FailsOnce()(plain.output))
    with mock.patch.object(small_fit, "network", return_value=failing):
        prepared = prepare(tmp_path / "failing", CONFIG)
    assert figures(prepared) == pytest.approx(expected, rel=1e-5)
    assert prepared.model.accumulation > PARTS
