"""Words in the graph are those of the plain definition, and windows say once of each where it is."""

from __future__ import annotations

import unicodedata

import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st
from toy_tokenizers import ADVERSARIAL
from windowed import ENCODE, FEATURES, LETTERS

TEXTS = st.one_of(st.text(LETTERS, max_size=40), st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20))


def words_of(text: str) -> list[str]:
    """The words that the features find in a text, window by window."""
    found = {name: tensor.numpy() for name, tensor in ENCODE(tf.constant([text.encode()])).items()}
    places = zip(found["word_starts"].ravel().tolist(), found["word_ends"].ravel().tolist(), strict=True)
    return [text[start:end] for start, end in places if end]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Mary-Ann's cat, 3.5kg", ["Mary", "-", "Ann", "'", "s", "cat", ",", "3", ".", "5kg"]),
        ("北京大学 in 2008年", ["北", "京", "大", "学", "in", "2008", "年"]),
        ("cafe\u0301s éa", ["cafe\u0301s", "éa"]),
        ("@user #tag http://x.y", ["@", "user", "#", "tag", "http", ":", "/", "/", "x", ".", "y"]),
        ("한국어 مرحبا", ["한국어", "مرحبا"]),
        ("a\u200bb", ["a", "b"]),  # a zero-width space divides words
        ("👍 ok!?", ["👍", "ok", "!", "?"]),
        ("", []),
        (" \t", []),
    ],
)
def test_words_are_runs_of_letters_and_digits(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@settings(max_examples=150, deadline=None)
@given(TEXTS)
@example("a" * 100)
@example("x " * 50)
def test_each_word_is_told_once_and_in_order(text: str) -> None:
    words = ENCODE(tf.constant([text.encode()]))
    starts, ends = words["word_starts"].numpy().ravel(), words["word_ends"].numpy().ravel()
    spans = [(start, end) for start, end in zip(starts.tolist(), ends.tolist(), strict=True) if end]
    assert spans == sorted(spans)
    before = 0
    for start, end in spans:
        assert before <= start < end <= len(text)
        before = end
        word = text[start:end]
        assert word == word.strip()
    covered = {place for start, end in spans for place in range(start, end)}
    letters = {place for place, letter in enumerate(text) if unicodedata.category(letter) in ("Ll", "Lu", "Nd")}
    assert letters <= covered


@settings(max_examples=50, deadline=None)
@given(st.lists(TEXTS, max_size=4))
def test_texts_do_not_disturb_one_another(texts: list[str]) -> None:
    together = {
        name: tensor.numpy() for name, tensor in ENCODE(tf.constant([t.encode() for t in texts], tf.string)).items()
    }
    for number, text in enumerate(texts):
        here = together["text_number"] == number
        starts, ends = together["word_starts"][here].ravel(), together["word_ends"][here].ravel()
        assert [text[s:e] for s, e in zip(starts.tolist(), ends.tolist(), strict=True) if e] == words_of(text)


@pytest.mark.parametrize("text", [*ADVERSARIAL, "\x00a\x00b c"])
def test_odd_texts_have_words_within_them(text: str) -> None:
    assert all(words_of(text))


def test_bytes_that_are_no_text_are_answered() -> None:
    found = ENCODE(tf.constant([b"\xff\xfe good \xe5\x8c", b"ok"]))
    assert found["texts"].numpy()[0].decode() == "\ufffd\ufffd good \ufffd"
    assert found["word_ends"].numpy().max() == 7


def test_the_cache_gets_windows_without_padding() -> None:
    features, numbers = FEATURES.encode_arrays(["a b", "c " * 40, ""])
    assert set(features) == {"token_ids", "segment_ids", "word_starts", "word_ends"}
    assert numbers.tolist() == [0, 1, 1, 1, 1, 2]
    values, lengths = features["word_ends"]
    assert lengths.tolist() == [4, 16, 16, 16, 16, 2]
    assert len(values) == lengths.sum()
    assert (values > 0).sum() == 42  # each word once


def test_windows_read_single_texts() -> None:
    with pytest.raises(ValueError, match="single texts"):
        FEATURES(tf.constant(["a"]), tf.constant(["b"]))
