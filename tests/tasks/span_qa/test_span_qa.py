"""An answer that was taught is found again at exactly its characters, in any context, however many windows it has."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from windowed import ALPHABET, FEATURES  # sets TensorFlow's environment first

import tensorflow as tf  # isort: skip

from hypothesis import given, settings
from hypothesis import strategies as st

from sftkeras.tasks import restore_task
from sftkeras.tasks.span_qa.features import question_features
from sftkeras.tasks.span_qa.places import SpanF1, best_rows, best_spans
from sftkeras.tasks.span_qa.task import SpanQA, best_threshold

TASK = SpanQA(max_answer_length=6)
STRINGS = tf.TensorSpec([None], tf.string)
ENCODE = tf.function(
    question_features(FEATURES.tokenizer, max_length=24).__call__, input_signature=[STRINGS] * 2, autograph=False
)
_PLACES = tf.TensorSpec([None, None], tf.int32)
_SPECS = {
    **dict.fromkeys(("token_ids", "segment_ids", "padding_mask", "token_starts", "token_ends"), _PLACES),
    "text_number": tf.TensorSpec([None], tf.int32),
    "texts": STRINGS,
}
OUTPUTS = tf.function(
    TASK.outputs, input_signature=[tf.TensorSpec([None, None, 2]), _SPECS], autograph=False, reduce_retracing=True
)
TEXTS = st.text(st.sampled_from(list(ALPHABET)), max_size=80)
RANDOM = np.random.default_rng(5)
QUESTIONS = st.tuples(st.floats(2**-10, 1, width=16), st.sampled_from([-1.0, 0.0, 0.5, 1.0]))  # no_answer and gain


def encoded(questions: list[str], contexts: list[str]) -> dict[str, np.ndarray]:
    texts = [tf.constant([text.encode() for text in column], tf.string) for column in (questions, contexts)]
    return {name: tensor.numpy() for name, tensor in ENCODE(*texts).items()}


def answered(logits: np.ndarray, features: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in OUTPUTS(tf.constant(logits), features).items()}


def taught(features: dict[str, np.ndarray], answers: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The places that windows learn, and logits of a network that has learned them."""
    places = {name: features[name] for name in ("token_starts", "token_ends")}
    _, labels = TASK.targets(places, [answers[number] for number in features["text_number"]], RANDOM)
    length = features["token_ids"].shape[1]
    return labels, 12 * np.eye(length, dtype=np.float32)[labels].transpose(0, 2, 1)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=3), st.data())
def test_answers_survive_windows_places_and_decoding(pairs: list[tuple[str, str]], data: st.DataObject) -> None:
    questions, contexts = map(list, zip(*pairs, strict=True))
    features = encoded(questions, contexts)
    answers = []
    for number in range(len(contexts)):
        here = features["text_number"] == number
        places = np.stack([features["token_starts"][here], features["token_ends"][here]], -1)
        tokens = np.unique(places[places[..., 1] > 0], axis=0)
        if not len(tokens) or data.draw(st.booleans()):
            answers.append(np.zeros((0, 3), np.int32))
            continue
        first = data.draw(st.integers(0, len(tokens) - 1))
        last = min(first + data.draw(st.integers(0, 3)), len(tokens) - 1)
        answers.append(np.array([[tokens[first, 0], tokens[last, 1], 0]], np.int32))
    found = answered(taught(features, answers)[1], features)
    for row, (context, true) in enumerate(zip(contexts, answers, strict=True)):
        if len(true):
            start, end = true[0, :2].tolist()
            assert (found["start"][row], found["end"][row]) == (start, end)
            assert found["answer"][row].decode() == context[start:end]
            assert found["no_answer"][row] < 0.01
            assert found["score"][row] > 0.9
        else:
            assert found["no_answer"][row] > 0.5


def test_offsets_index_the_raw_context_in_5000_texts() -> None:
    letters = [*ALPHABET, "<b>", "&amp;"]
    answers = 0
    for _ in range(10):
        columns = [["".join(RANDOM.choice(letters, RANDOM.integers(0, 50))) for _ in range(500)] for _ in range(2)]
        features = encoded(*columns)
        logits = RANDOM.normal(0, 1, (*features["token_ids"].shape, 2)).astype(np.float32)
        found = answered(logits, features)
        for context, start, end, shown in zip(columns[1], found["start"], found["end"], found["answer"], strict=True):
            assert (start < 0) == (shown == b"")
            if start >= 0:
                assert context[start:end] == shown.decode()
                answers += 1
    assert answers > 4500


def test_a_context_of_nothing_has_no_answer() -> None:
    features = encoded(["a", ""], ["", " \u200b"])
    found = answered(RANDOM.normal(0, 1, (*features["token_ids"].shape, 2)).astype(np.float32), features)
    assert found["answer"].tolist() == [b"", b""]
    assert found["start"].tolist() == found["end"].tolist() == [-1, -1]
    assert found["no_answer"].tolist() == found["score"].tolist() == [1, 1]


def test_a_window_with_a_part_of_the_answer_learns_that_it_is_not_there() -> None:
    features = encoded(["q"], ["abcdefghijklmnopqrstuvwxyz" * 2])
    spans = np.stack([features["token_starts"], features["token_ends"]], -1)
    begins = spans[1][spans[1, :, 1] > 0][0, 0]  # where the second window begins
    assert len(spans) > 2
    labels, _ = taught(features, [np.array([[begins - 1, begins + 2, 0]], np.int32)])
    assert labels[0].all()
    assert not labels[1:].any()
    labels, _ = taught(features, [np.array([[begins, begins + 2, 0]], np.int32)])
    assert labels[:2].all()


def test_an_answer_inside_a_word_is_learned_as_its_tokens() -> None:
    features = encoded(["q"], ["a bcd"])
    labels, _ = taught(features, [np.array([[3, 4, 0], [0, 1, 0]], np.int32)])  # of several, the first
    assert labels.tolist() == [[5, 5]]


@pytest.mark.parametrize("most", [1, 3, 20])
def test_the_best_span_is_that_of_all_legal_ones(most: int) -> None:
    logits = RANDOM.normal(0, 2, (4, 9, 2)).astype(np.float32)
    legal = RANDOM.random((4, 9)) < 0.6
    legal[:, 0] = False
    found = best_spans(tf.constant(logits), tf.constant(legal), most)
    for row in range(4):
        nowhere = logits[row, 0].sum()
        ratings = {
            (first, last): logits[row, first, 0] + logits[row, last, 1] - nowhere
            for first, last in product(range(9), repeat=2)
            if legal[row, first] and legal[row, last] and first <= last < first + most
        }
        best = max(ratings, key=ratings.__getitem__)
        assert (int(found.first[row]), int(found.last[row])) == best
        assert float(found.rating[row]) == pytest.approx(ratings[best], rel=1e-5)
        assert float(found.total[row]) == pytest.approx(np.log(np.exp(list(ratings.values())).sum()), rel=1e-4)


def test_among_equals_the_first_is_chosen_whatever_the_rounding() -> None:
    logits = np.zeros((2, 6, 2), np.float32)
    logits[1] += 1e-6 * np.arange(6)[:, None]
    found = best_spans(tf.constant(logits), tf.constant([[False] + [True] * 5] * 2), 3)
    assert found.first.numpy().tolist() == found.last.numpy().tolist() == [1, 1]
    assert best_rows(tf.constant([1.0, 1.000001, 3.0]), tf.constant([0, 0, 1])).numpy().tolist() == [0, 2]


def test_loss_is_the_cross_entropy_of_both_ends() -> None:
    logits = RANDOM.normal(0, 1, (3, 7, 2)).astype(np.float32)
    labels = np.array([[0, 0], [2, 5], [6, 6]], np.int32)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = [-np.log([probabilities[row, labels[row, end], end] for end in (0, 1)]).mean() for row in range(3)]
    np.testing.assert_allclose(TASK.loss(tf.constant(labels), tf.constant(logits)), expected, rtol=1e-5)
    np.testing.assert_allclose(TASK.predictions(tf.constant(logits)), probabilities, rtol=1e-5)
    assert TASK.example_weights(labels).tolist() == [1, 1, 1]


def test_span_f1_counts_shared_tokens() -> None:
    logits = np.full((4, 8, 2), -9, np.float32)
    for row, (first, last) in enumerate(((2, 4), (0, 0), (3, 3), (0, 0))):
        logits[row, first, 0] = logits[row, last, 1] = 9
    metric = SpanF1(6)
    truths = tf.constant([[3, 5], [0, 0], [0, 0], [2, 2]])
    metric.update_state(truths, tf.nn.softmax(tf.constant(logits), axis=1))
    assert float(metric.result()) == pytest.approx((2 * 2 / 6 + 1) / 4)


@settings(deadline=None)
@given(st.lists(QUESTIONS, min_size=1, max_size=12))
def test_the_threshold_is_the_best_there_is(questions: list[tuple[float, float]]) -> None:
    no_answer, gains = (np.array(column, np.float32) for column in zip(*questions, strict=True))

    def gained(threshold: float) -> float:
        return float(gains[no_answer <= np.float32(threshold)].sum())

    found = best_threshold(no_answer, gains)
    assert 0 < found <= 1
    assert gained(found) == pytest.approx(max(gained(threshold) for threshold in (-1.0, *no_answer.tolist(), 1.0)))


def test_the_task_is_tuned_by_questions_without_an_answer() -> None:
    none, some = np.zeros((0, 3), np.int32), np.array([[0, 4, 0]], np.int32)
    assert TASK.needs_thresholds([some, none])
    assert not TASK.needs_thresholds([some, some])
    assert not SpanQA(no_answer_threshold=0.3).needs_thresholds([some, none])
    answers = {"no_answer": np.array([0.125, 0.5, 0.25]), "start": np.array([0, 5, 0]), "end": np.array([4, 9, 2])}
    tuned = TASK.with_thresholds(answers, [some, none, some])
    assert tuned.no_answer_threshold == 0.375
    assert restore_task(tuned.settings()).settings() == tuned.settings()


def test_above_the_threshold_there_is_no_answer() -> None:
    features = encoded(["a"], ["b c d"])
    logits = RANDOM.normal(0, 1, (*features["token_ids"].shape, 2)).astype(np.float32)
    always = answered(logits, features)
    found = SpanQA(6, float(always["no_answer"][0]) * 0.9).outputs(tf.constant(logits), features)
    assert found["answer"].numpy().tolist() == [b""]
    assert found["start"].numpy().tolist() == found["end"].numpy().tolist() == [-1]
    assert found["score"].numpy() == found["no_answer"].numpy() == always["no_answer"]
    assert always["start"] >= 0
