"""Every window begins with the question, and together they hold each token of the context, at its raw characters."""

from __future__ import annotations

import numpy as np
import pytest
from windowed import ALPHABET, FEATURES  # sets TensorFlow's environment first

import tensorflow as tf  # isort: skip

from hypothesis import given, settings
from hypothesis import strategies as st

from sftkeras.tasks.span_qa.features import QuestionFeatures, question_features
from sftkeras.text import Cleaning

MAX_LENGTH = 16
TOKENIZER = FEATURES.tokenizer
QUESTIONS = question_features(TOKENIZER, max_length=MAX_LENGTH)
STRINGS = tf.TensorSpec([None], tf.string)
ENCODE = tf.function(QUESTIONS.__call__, input_signature=[STRINGS, STRINGS], autograph=False)
TEXTS = st.text(st.sampled_from(list(ALPHABET)), max_size=60)


def encoded(questions: list[str], contexts: list[str]) -> dict[str, np.ndarray]:
    texts = [tf.constant([text.encode() for text in column], tf.string) for column in (questions, contexts)]
    return {name: tensor.numpy() for name, tensor in ENCODE(*texts).items()}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=3))
def test_windows_hold_the_question_and_all_of_the_context(pairs: list[tuple[str, str]]) -> None:
    questions, contexts = map(list, zip(*pairs, strict=True))
    features = encoded(questions, contexts)
    _, starts, ends = TOKENIZER.with_offsets(tf.constant([text.encode() for text in contexts]))
    asked = TOKENIZER(tf.constant([text.encode() for text in questions])).to_list()
    for number, context in enumerate(contexts):
        here = features["text_number"] == number
        places = np.stack([features["token_starts"][here], features["token_ends"][here]], -1)
        found = {tuple(place) for place in places[places[..., 1] > 0].tolist()}
        spans = zip(starts[number].numpy().tolist(), ends[number].numpy().tolist(), strict=True)
        assert found == {span for span in spans if span[1] > span[0]}
        assert all(0 <= start < end <= len(context) for start, end in found)
        most = (MAX_LENGTH - 3) // 2
        for row in features["token_ids"][here].tolist():
            kept = asked[number][:most] if len(asked[number]) > most else asked[number]
            assert row[1 : 1 + len(kept)] == kept
            assert row[1 + len(kept)] == TOKENIZER.sep_id
    assert features["texts"].tolist() == [text.encode() for text in contexts]


def test_a_cache_gets_windows_without_padding() -> None:
    arrays, numbers = QUESTIONS.encode_arrays(["a b", ""], ["c " * 40, ""])
    features = encoded(["a b", ""], ["c " * 40, ""])
    assert numbers.tolist() == features["text_number"].tolist()
    assert set(arrays) == {"token_ids", "segment_ids", "token_starts", "token_ends"}
    values, lengths = arrays["token_ids"]
    assert lengths.tolist() == features["padding_mask"].sum(1).tolist()
    assert len(values) == lengths.sum()


def test_places_are_those_of_the_raw_context() -> None:
    cleaned = question_features(TOKENIZER, max_length=MAX_LENGTH, cleaning=Cleaning(markup=True, spaces=True))
    context = "<b>a</b>  &amp; b"
    arrays, _ = cleaned.encode_arrays(["<i>c"], [context])
    places = zip(arrays["token_starts"][0].tolist(), arrays["token_ends"][0].tolist(), strict=True)
    assert [context[start:end] for start, end in places if end] == ["a", "&amp;", "b"]
    assert cleaned.fingerprint != QUESTIONS.fingerprint
    assert cleaned.cleaning is not None


@pytest.mark.parametrize("max_length", [5, 6, 7, 9, 40])
def test_any_length_has_room_for_windows(max_length: int) -> None:
    features = QuestionFeatures(TOKENIZER, max_length=max_length)(tf.constant(["a a a a"]), tf.constant(["b " * 30]))
    assert features["token_ids"].shape[1] <= max_length
    assert set(range(0, 60, 2)) == set(features["token_starts"].numpy()[features["token_ends"].numpy() > 0].tolist())


def test_single_texts_are_refused() -> None:
    with pytest.raises(ValueError, match="questions with contexts"):
        QUESTIONS(tf.constant(["a"]))
    with pytest.raises(ValueError, match="does not know which characters"):
        question_features(None, max_length=MAX_LENGTH)
