"""What every task must keep: its loss is the formula, its outputs are its answers, and it survives JSON.

A new task is one more entry of `CASES`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from sftkeras.tasks import restore_task
from sftkeras.tasks.classification.task import Classification, MultiLabelClassification
from sftkeras.tasks.contract import Task
from sftkeras.tasks.regression.task import Regression
from sftkeras.tasks.tagging.task import Tagging

BATCH = 6
RANDOM = np.random.default_rng(2)
LOGITS = RANDOM.normal(0, 2, (BATCH, 3)).astype(np.float32)
CLASSES = np.array([0, 1, 2, 2, 0, 1], np.int32)
SEVERAL = RANDOM.integers(0, 2, (BATCH, 3)).astype(np.uint8)
NUMBERS = RANDOM.normal(250, 30, BATCH).astype(np.float32)
NAMES = ("bad", "good", "très bon")


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


def cross_entropy(smoothing: float) -> np.ndarray:
    targets = np.eye(3)[CLASSES] * (1 - smoothing) + smoothing / 3
    return -(targets * log_softmax(LOGITS.astype(np.float64))).sum(-1)


def binary_cross_entropy(smoothing: float, weights: tuple[float, ...] = (1, 1, 1), gamma: float = 0) -> np.ndarray:
    targets = SEVERAL * (1 - smoothing) + smoothing / 2
    right = sigmoid(LOGITS.astype(np.float64))
    losses = -(targets * np.log(right) + (1 - targets) * np.log(1 - right))
    losses *= (1 - np.where(SEVERAL, right, 1 - right)) ** gamma  # Lin et al., 2017
    return (losses * np.array(weights) / np.mean(weights)).mean(-1)


def squared_error(mean: float, deviation: float) -> np.ndarray:
    return (LOGITS[:, 0] - (NUMBERS.astype(np.float64) - mean) / deviation) ** 2


Outputs = dict[str, tuple[tf.DType, tuple[int, ...]]]


@dataclass(frozen=True)
class Case:
    """A task on given labels and logits, and what must come out."""

    task: Task
    labels: np.ndarray
    logits: np.ndarray
    loss: np.ndarray
    example_weights: np.ndarray
    answers: np.ndarray
    outputs: Outputs
    metrics: dict[str, float]
    features: dict[str, np.ndarray] = field(default_factory=dict)  # what `outputs` takes beside the logits
    data_labels: Any = None  # as the data has them, where that is not `labels`


def given(case: Case, rows: slice = slice(None)) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """The arguments of `outputs`; the rows must be those of whole texts."""
    return tf.constant(case.logits[rows]), {name: tf.constant(array[rows]) for name, array in case.features.items()}


CLASS_OUTPUTS: Outputs = {
    "label": (tf.string, (BATCH,)),
    "probability": (tf.float32, (BATCH,)),
    "probabilities": (tf.float32, (BATCH, 3)),
    "classes": (tf.string, (BATCH, 3)),
}
SEVERAL_OUTPUTS: Outputs = {
    "selected": (tf.bool, (BATCH, 3)),
    "probabilities": (tf.float32, (BATCH, 3)),
    "classes": (tf.string, (BATCH, 3)),
}


def f1(truth: np.ndarray, given: np.ndarray) -> np.ndarray:
    hits = (truth & given).sum(0)
    return 2 * hits / np.maximum(truth.sum(0) + given.sum(0), 1)


CHOSEN = np.eye(3, dtype=bool)[LOGITS.argmax(-1)]
TRUE = np.eye(3, dtype=bool)[CLASSES]
GIVEN = sigmoid(LOGITS) >= 0.4
classification = Case(
    Classification(NAMES),
    CLASSES,
    LOGITS,
    cross_entropy(0),
    np.ones(BATCH),
    np.exp(log_softmax(LOGITS)),
    CLASS_OUTPUTS,
    {"accuracy": float((LOGITS.argmax(-1) == CLASSES).mean()), "macro_f1": float(f1(TRUE, CHOSEN).mean())},
)
several = SEVERAL.astype(bool)
multi_label = Case(
    MultiLabelClassification(NAMES, threshold=0.4),
    SEVERAL,
    LOGITS,
    binary_cross_entropy(0),
    np.ones(BATCH),
    sigmoid(LOGITS),
    SEVERAL_OUTPUTS,
    {
        "macro_f1": float(f1(several, GIVEN).mean()),
        "micro_f1": float(f1(several.reshape(-1, 1), GIVEN.reshape(-1, 1)).mean()),
    },
)
values = LOGITS[:, 0] * 30 + 250

# Six texts of a window each, of up to five words of two letters: padding has no place, and the third token no word.
WORDS = "ab cd ef gh ij"
STARTS = np.tile(np.array([0, 0, 0, 3, 6, 9, 0], np.int32), (BATCH, 1))
ENDS = np.tile(np.array([0, 2, 0, 5, 8, 11, 0], np.int32), (BATCH, 1))
ENDS[5, 4:] = 0
IS_WORD = ENDS > 0
SPANS = [np.array(spans, np.int32).reshape(-1, 3) for spans in ([[0, 5, 2]], [], [[3, 5, 0], [6, 11, 0]], [], [], [])]
TAGS = np.where(IS_WORD, 0, -1).astype(np.int32)
TAGS[0, [1, 3]] = (5, 6)
TAGS[2, [3, 4, 5]] = (1, 1, 2)
TAG_LOGITS = RANDOM.normal(0, 1, (BATCH, 7, 7)).astype(np.float32)
TAG_LOGITS[:3] += 20 * np.eye(7, dtype=np.float32)[np.maximum(TAGS[:3], 0)]  # the first three texts are known
TAG_LOGITS[3:, :, 0] += 20  # and the others said to have no entity,
TAG_LOGITS[5, 1, 1] += 40  # but for one that there is not
tag_losses = -np.take_along_axis(log_softmax(TAG_LOGITS.astype(np.float64)), np.maximum(TAGS, 0)[..., None], -1)[..., 0]
tagging = Case(
    Tagging(NAMES),
    TAGS,
    TAG_LOGITS,
    (tag_losses * IS_WORD).sum(1) / IS_WORD.sum(1),
    IS_WORD.sum(1),
    np.exp(log_softmax(TAG_LOGITS)),
    {
        "label": (tf.string, (BATCH, 2)),
        "score": (tf.float32, (BATCH, 2)),
        "start": (tf.int32, (BATCH, 2)),
        "end": (tf.int32, (BATCH, 2)),
        "text": (tf.string, (BATCH, 2)),
    },
    {"entity_f1": 2 * 3 / (3 + 4)},
    {
        "word_starts": STARTS,
        "word_ends": ENDS,
        "text_number": np.arange(BATCH, dtype=np.int32),
        "texts": np.array([WORDS] * BATCH, object),
    },
    SPANS,
)
CASES = {
    "classification": classification,
    "smoothed classification": replace(
        classification, task=Classification(NAMES, label_smoothing=0.2), loss=cross_entropy(0.2)
    ),
    "weighted classification": replace(
        classification,
        task=Classification(NAMES, class_weights=(0.5, 2.0, 1.0)),
        example_weights=np.array([0.5, 2, 1, 1, 0.5, 2]),
    ),
    "focal classification": replace(
        classification,
        task=Classification(NAMES, focal_gamma=2.0),
        loss=(1 - np.exp(-cross_entropy(0))) ** 2 * cross_entropy(0),
    ),
    "multi-label": multi_label,
    "focal multi-label": replace(
        multi_label,
        task=MultiLabelClassification(NAMES, threshold=0.4, focal_gamma=0.5),
        loss=binary_cross_entropy(0, gamma=0.5),
    ),
    "smoothed multi-label": replace(
        multi_label,
        task=MultiLabelClassification(NAMES, threshold=0.4, label_smoothing=0.2),
        loss=binary_cross_entropy(0.2),
    ),
    "weighted multi-label": replace(
        multi_label,
        task=MultiLabelClassification(NAMES, threshold=0.4, class_weights=(0.5, 2.0, 1.0)),
        loss=binary_cross_entropy(0, (0.5, 2.0, 1.0)),
    ),
    "regression": Case(
        Regression(mean=250.0, deviation=30.0),
        NUMBERS,
        LOGITS[:, :1],
        squared_error(250, 30),
        np.ones(BATCH),
        values,
        {"value": (tf.float32, (BATCH,))},
        {"mae": float(np.abs(values - NUMBERS).mean()), "rmse": float(np.sqrt(((values - NUMBERS) ** 2).mean()))},
    ),
    "tagging": tagging,
    "free tagging": replace(tagging, task=Tagging(NAMES, constrained_decoding=False)),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def test_the_loss_is_the_formula(case: Case) -> None:
    loss = case.task.loss(tf.constant(case.labels), tf.constant(case.logits))
    assert loss.dtype == tf.float32
    np.testing.assert_allclose(loss, case.loss, rtol=1e-4, atol=1e-5)


def test_labels_of_the_data_become_those_of_the_loss(case: Case) -> None:
    tokens = {"token_ids": np.ones((BATCH, 7), np.int32)}
    places = {name: case.features[name] for name in ("word_starts", "word_ends") if name in case.features}
    labels = case.labels if case.data_labels is None else case.data_labels
    inputs, found = case.task.targets(tokens | places, labels, np.random.default_rng(1))
    assert set(inputs) == {"token_ids"}  # what the network takes, and nothing else
    np.testing.assert_array_equal(found, case.labels)
    assert found.dtype == case.labels.dtype


def test_the_loss_of_hopeless_logits_is_finite(case: Case) -> None:
    loss = case.task.loss(tf.constant(case.labels), tf.constant(case.logits * 1000))
    assert np.isfinite(loss).all()


def test_example_weights_are_the_class_weights(case: Case) -> None:
    weights = case.task.example_weights(case.labels)
    assert weights.dtype == np.float32
    np.testing.assert_array_equal(weights, case.example_weights.astype(np.float32))


def test_answers_are_probabilities_or_values(case: Case) -> None:
    np.testing.assert_allclose(case.task.predictions(tf.constant(case.logits)), case.answers, rtol=1e-5)


def test_outputs_have_their_names_types_and_shapes(case: Case) -> None:
    outputs = case.task.outputs(*given(case))
    assert {name: (output.dtype, tuple(output.shape)) for name, output in outputs.items()} == case.outputs


def test_outputs_are_the_same_in_a_graph_and_for_no_rows(case: Case) -> None:
    arguments = given(case)
    specs = tf.nest.map_structure(lambda tensor: tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype), arguments)
    in_graph = tf.function(case.task.outputs, input_signature=specs, autograph=False)
    eager = case.task.outputs(*arguments)
    for name, output in in_graph(*arguments).items():
        if output.dtype == tf.float32:
            np.testing.assert_allclose(output, eager[name], rtol=1e-6)
        else:
            np.testing.assert_array_equal(output, eager[name])
    for name, output in in_graph(*given(case, slice(0))).items():
        width = (0,) if case.logits.ndim == 3 else case.outputs[name][1][1:]  # of spans, the most that a text has
        assert tuple(output.shape) == (0, *width)


def test_outputs_agree_with_the_answers(case: Case) -> None:
    outputs = {name: output.numpy() for name, output in case.task.outputs(*given(case)).items()}
    if "start" in outputs:
        assert outputs["start"].tolist() == [[0, -1], [-1, -1], [3, 6], [-1, -1], [-1, -1], [0, -1]]
        assert outputs["end"].tolist() == [[5, -1], [-1, -1], [5, 11], [-1, -1], [-1, -1], [2, -1]]
        assert [row[0].decode() for row in outputs["label"]] == ["très bon", "", "bad", "", "", "bad"]
        assert [row[0].decode() for row in outputs["text"]] == ["ab cd", "", "cd", "", "", "ab"]
        sure = case.answers[2, 3, 1:3].sum()  # that the word is of a "bad" entity, at its beginning or within
        assert outputs["score"][2, 0] == pytest.approx(sure, rel=1e-5)
        return
    if "value" in outputs:
        np.testing.assert_array_equal(outputs["value"], case.task.predictions(tf.constant(case.logits)))
        return
    probabilities = outputs["probabilities"]
    np.testing.assert_array_equal(probabilities, case.task.predictions(tf.constant(case.logits)))
    assert [[name.decode() for name in row] for row in outputs["classes"]] == [list(NAMES)] * BATCH
    if "label" in outputs:
        assert [label.decode() for label in outputs["label"]] == [NAMES[best] for best in probabilities.argmax(-1)]
        np.testing.assert_array_equal(outputs["probability"], probabilities.max(-1))
    else:
        np.testing.assert_array_equal(outputs["selected"], probabilities >= np.float32(0.4))


def test_metrics_are_those_of_the_answers(case: Case) -> None:
    task = case.task
    found = {}
    for metric in task.metrics():
        for rows in (slice(0, 4), slice(4, None)):  # in two batches, as training feeds them
            logits = tf.constant(case.logits[rows])
            metric.update_state(task.truths(tf.constant(case.labels[rows])), task.predictions(logits))
        found[metric.name] = float(metric.result())
    assert found == pytest.approx(case.metrics, rel=1e-5)


def test_each_call_gives_fresh_metrics(case: Case) -> None:
    first, second = case.task.metrics(), case.task.metrics()
    assert not {id(metric) for metric in first} & {id(metric) for metric in second}


def test_a_restored_task_answers_alike(case: Case) -> None:
    settings: dict[str, Any] = json.loads(json.dumps(case.task.settings()))
    restored = restore_task(settings)
    assert type(restored) is type(case.task)
    assert restored.settings() == case.task.settings()
    expected = case.task.outputs(*given(case))
    for name, output in restored.outputs(*given(case)).items():
        np.testing.assert_array_equal(output, expected[name])


def test_the_head_gives_float32_logits_whatever_the_precision(case: Case) -> None:
    of_tokens = case.logits.ndim == 3
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        features = keras.Input((None, 4) if of_tokens else (4,), dtype="bfloat16")
        logits = case.task.head(features)
    finally:
        keras.config.set_dtype_policy("float32")
    assert logits.dtype == "float32"
    assert logits.shape == (None, *((None,) if of_tokens else ()), case.logits.shape[-1])
    network = keras.Model(features, logits)
    assert {weight.dtype for weight in network.weights} == {"float32"}
