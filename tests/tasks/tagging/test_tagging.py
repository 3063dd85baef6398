"""Tagging finds again what it was taught, at exactly the characters where it stood, in any text."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from windowed import ENCODE, LETTERS

from sftkeras.tasks.tagging.task import Tagging

NAMES = ("LOC", "PER")
TASK = Tagging(NAMES, constrained_decoding=False)
CONSTRAINED = Tagging(NAMES)
_PLACES = tf.TensorSpec([None, None], tf.int32)
_SPECS = {
    **dict.fromkeys(("token_ids", "segment_ids", "padding_mask", "word_starts", "word_ends"), _PLACES),
    "text_number": tf.TensorSpec([None], tf.int32),
    "texts": tf.TensorSpec([None], tf.string),
}
OUTPUTS = [
    tf.function(task.outputs, input_signature=[tf.TensorSpec([None, None, 5]), _SPECS], autograph=False)
    for task in (TASK, CONSTRAINED)
]


def words_of(features: dict[str, np.ndarray], number: int) -> list[tuple[int, int]]:
    here = features["text_number"] == number
    places = zip(
        features["word_starts"][here].ravel().tolist(), features["word_ends"][here].ravel().tolist(), strict=True
    )
    return [(start, end) for start, end in places if end]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.text(LETTERS, max_size=60), min_size=1, max_size=3), st.data())
def test_spans_survive_windows_tags_and_decoding(texts: list[str], data: st.DataObject) -> None:
    features = {name: tensor.numpy() for name, tensor in ENCODE(tf.constant([t.encode() for t in texts])).items()}
    spans = []
    for number in range(len(texts)):
        words, row, word = words_of(features, number), [], 0
        while word < len(words):
            size = data.draw(st.integers(1, 4))
            end = min(word + size, len(words))
            if data.draw(st.booleans()):
                row.append([words[word][0], words[end - 1][1], data.draw(st.integers(0, 1))])
            word = end
        spans.append(np.array(row, np.int32).reshape(-1, 3))
    of_windows = [spans[number] for number in features["text_number"]]
    _, tags = TASK.targets({name: features[name] for name in ("word_starts", "word_ends")}, of_windows, None)  # type: ignore[arg-type]
    logits = 9 * tf.one_hot(np.maximum(tags, 0), 2 * len(NAMES) + 1)
    for outputs in OUTPUTS:
        found = {name: tensor.numpy() for name, tensor in outputs(logits, features).items()}
        for number, (text, expected) in enumerate(zip(texts, spans, strict=True)):
            there = found["start"][number] >= 0
            places = np.stack([found["start"][number], found["end"][number]], 1)[there]
            assert places.tolist() == expected[:, :2].tolist()
            assert [name.decode() for name in found["label"][number][there]] == [NAMES[n] for n in expected[:, 2]]
            assert [it.decode() for it in found["text"][number][there]] == [text[s:e] for s, e, _ in expected.tolist()]
            assert (found["score"][number][there] > 0.99).all()
            assert (found["score"][number][~there] == 0).all()


@pytest.mark.parametrize("task", [TASK, CONSTRAINED])
def test_an_entity_that_begins_in_one_window_ends_in_the_next(task: Tagging) -> None:
    text = "w " * 30
    features = {name: tensor.numpy() for name, tensor in ENCODE(tf.constant([text])).items()}
    assert len(features["text_number"]) > 2
    spans = [np.array([[4, 51, 1]], np.int32)] * len(features["text_number"])
    _, tags = task.targets({name: features[name] for name in ("word_starts", "word_ends")}, spans, None)  # type: ignore[arg-type]
    assert (tags == 3).sum() == 1  # it begins once
    found = task.outputs(9 * tf.one_hot(np.maximum(tags, 0), 5), features)
    assert (found["start"].numpy().tolist(), found["end"].numpy().tolist()) == ([[4]], [[51]])


def test_a_span_within_a_word_is_learned_as_the_word() -> None:
    features = {name: tensor.numpy() for name, tensor in ENCODE(tf.constant(["many iPhones"])).items()}
    places = {name: features[name] for name in ("word_starts", "word_ends")}
    _, tags = TASK.targets(places, [np.array([[5, 11, 0]], np.int32)], None)  # type: ignore[arg-type]
    assert tags[tags >= 0].tolist() == [0, 1]


def test_tokens_without_a_label_have_no_say_in_the_loss() -> None:
    labels = tf.constant([[-1, 1, -1], [-1, -1, -1]])
    logits = tf.random.stateless_normal([2, 3, 5], [1, 2])
    loss = TASK.loss(labels, logits)
    assert float(loss[0]) == pytest.approx(-float(tf.nn.log_softmax(logits)[0, 1, 1]), rel=1e-5)
    assert float(loss[1]) == 0
    assert TASK.example_weights(labels.numpy()).tolist() == [1, 0]
