"""Texts as rows of words to mask: every token once, whole words together, the same words masked in every call."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest
from every_tokenizer import TOKENIZERS
from hypothesis import given, settings
from hypothesis import strategies as st
from windowed import FEATURES, LETTERS, MAX_LENGTH, SPECIALS

import tensorflow as tf  # isort: skip

from sftkeras.tasks.masked_lm.features import MASK_EVERY, Mask, MaskedFeatures, mask_of
from sftkeras.text import Cleaning, WordPiece, with_special_strings

MASK = SPECIALS.index("[MASK]")
TOKENIZER = with_special_strings(FEATURES.tokenizer, {"[MASK]": MASK})
WORDS = MaskedFeatures(TOKENIZER, max_length=MAX_LENGTH, mask=MASK)
TOKENS = MaskedFeatures(TOKENIZER, max_length=MAX_LENGTH, mask=MASK, whole_words=False)
ANSWER = tf.function(WORDS.__call__, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
LONG = " ".join(["cafe", "b", "ab"] * 12)


def answer(*texts: str) -> dict[str, np.ndarray]:
    return {
        name: tensor.numpy() for name, tensor in ANSWER(tf.constant([it.encode() for it in texts], tf.string)).items()
    }


def encoded(features: MaskedFeatures, *texts: str) -> tuple[list[dict[str, np.ndarray]], list[int]]:
    """The rows for the cache, each with its features."""
    found, numbers = features.encode_arrays(list(texts))
    ends = np.cumsum(next(iter(found.values()))[1])[:-1]
    columns = {name: np.split(values, ends) for name, (values, _) in found.items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)], numbers.tolist()


def pieces(numbers: np.ndarray) -> list[str]:
    return TOKENIZER.pieces(numbers)


def test_the_tokens_of_a_word_have_one_number() -> None:
    (row,), _ = encoded(WORDS, "cafe, ab 电影")
    assert pieces(row["token_ids"]) == ["[CLS]", "c", "##a", "##f", "##e", ",", "a", "##b", "[UNK]", "[UNK]", "[SEP]"]
    assert row["words"].tolist() == [0, 1, 1, 1, 1, 2, 3, 3, 4, 5, 0]
    (row,), _ = encoded(TOKENS, "cafe, ab 电影")
    assert row["words"].tolist() == [0, *range(1, 10), 0]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(LETTERS, max_size=80), min_size=1, max_size=3))
def test_every_token_can_be_masked_in_just_one_row(texts: list[str]) -> None:
    rows, numbers = encoded(TOKENS, *texts)
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(len(texts)))
    expected = TOKENIZER(tf.constant([text.encode() for text in texts])).to_list()
    for number, tokens in enumerate(expected):
        here = [row for row, text in zip(rows, numbers, strict=True) if text == number]
        found = [token for row in here for token in row["token_ids"][row["words"] > 0].tolist()]
        assert found == [token for token in tokens if token != MASK]
        assert all(len(row["token_ids"]) <= MAX_LENGTH for row in here)


def test_masks_in_a_text_are_predicted_and_nothing_else_is_masked() -> None:
    found = answer("a [MASK] b [MASK]", "cafe")
    assert pieces(found["token_ids"][0][:6]) == ["[CLS]", "a", "[MASK]", "b", "[MASK]", "[SEP]"]
    assert found["masked_positions"][0, :2].tolist() == [2, 4]
    assert found["masked_ids"][0, :2].tolist() == [MASK, MASK]
    assert pieces(found["token_ids"][1][:6]) == ["[CLS]", *["[MASK]"] * 4, "[SEP]"]  # the other text is evaluated
    assert pieces(found["masked_ids"][1]) == ["c", "##a", "##f", "##e"]


def test_one_word_in_seven_is_masked_to_evaluate_a_text() -> None:
    words = [chr(ord("b") + number) for number in range(10)]
    found = answer(" ".join(words))
    masked = [piece for piece in pieces(found["masked_ids"][0]) if piece != "[PAD]"]
    assert masked == [words[4]]  # the middle one, and none within six on either side
    long = " ".join("b" for _ in range(200))
    assert (answer(long)["masked_ids"] >= 0).sum() == pytest.approx(200 / MASK_EVERY, rel=0.15)


def test_what_is_masked_does_not_depend_on_the_other_texts() -> None:
    together = answer("ab b", LONG, "", "[MASK]")
    for number, text in enumerate(("ab b", LONG, "", "[MASK]")):
        alone = answer(text)
        rows = together["text_number"] == number
        length, most = alone["token_ids"].shape[1], alone["masked_ids"].shape[1]
        np.testing.assert_array_equal(together["token_ids"][rows][:, :length], alone["token_ids"])
        np.testing.assert_array_equal(together["masked_ids"][rows][:, :most], alone["masked_ids"])
        assert (together["masked_ids"][rows][:, most:] == -1).all()


def test_a_mask_in_a_long_text_is_predicted_once() -> None:
    for place in range(0, 36, 5):
        words = LONG.split()
        words[place] = "[MASK]"
        found = answer(" ".join(words))
        assert (found["masked_ids"] == MASK).sum() == 1
        assert (found["masked_ids"] >= 0).sum() == 1


def test_no_text_and_no_words_are_no_trouble() -> None:
    assert answer()["masked_positions"].shape == (0, 0)
    found = answer("", " ")
    assert found["masked_ids"].tolist() == [[-1], [-1]]


def test_features_are_those_that_the_cache_has_but_for_what_is_masked() -> None:
    rows, _ = encoded(WORDS, LONG)
    found = answer(LONG)
    for number, row in enumerate(rows):
        shown = found["token_ids"][number][found["padding_mask"][number] > 0]
        masked = shown == MASK
        np.testing.assert_array_equal(shown[~masked], row["token_ids"][~masked])
        assert (row["words"][masked] > 0).all()


def test_cleaned_texts_keep_their_masks() -> None:
    cleaned = MaskedFeatures(Cleaning(markup=True, spaces=True).before(TOKENIZER), max_length=MAX_LENGTH, mask=MASK)
    (row,), _ = encoded(cleaned, "<b>ab</b>   [MASK]")
    assert pieces(row["token_ids"]) == ["[CLS]", "a", "##b", "[MASK]", "[SEP]"]
    assert row["words"].tolist() == [0, 1, 1, 0, 0]


def test_second_texts_are_refused() -> None:
    with pytest.raises(ValueError, match="second texts"):
        WORDS(tf.constant(["a"]), tf.constant(["b"]))


def test_the_fingerprint_tells_apart_what_gives_other_features() -> None:
    others = [
        MaskedFeatures(TOKENIZER, max_length=MAX_LENGTH + 1, mask=MASK),
        MaskedFeatures(TOKENIZER, max_length=MAX_LENGTH, mask=MASK, split_rules="jieba 1"),
        MaskedFeatures(FEATURES.tokenizer, max_length=MAX_LENGTH, mask=MASK),
    ]
    assert len({WORDS.fingerprint, TOKENS.fingerprint, *(it.fingerprint for it in others)}) == 5


@pytest.mark.parametrize("name", TOKENIZERS)
def test_every_tokenizer_has_a_mask_that_texts_may_hold(name: str) -> None:
    tokenizer = TOKENIZERS[name]()
    mask = mask_of(tokenizer)
    if mask is None:
        pytest.skip("no mask in this toy vocabulary")
    features = MaskedFeatures(with_special_strings(tokenizer, dict([mask])), max_length=16, mask=mask.number)
    found = features(tf.constant([f"the {mask.string} the", "the the the"]))
    asked, chosen = found["masked_ids"].numpy()
    assert asked[asked >= 0].tolist() == [mask.number]
    assert mask.number not in chosen
    assert (chosen >= 0).sum() >= 1


def test_a_vocabulary_without_a_mask_has_none() -> None:
    assert mask_of(WordPiece([*SPECIALS[:4], "a"], lowercase=True)) is None
    assert mask_of(FEATURES.tokenizer) == Mask("[MASK]", MASK)


def test_chinese_words_are_those_of_the_dictionary(monkeypatch: pytest.MonkeyPatch) -> None:
    jieba = ModuleType("jieba")
    words = {"北京人": [("北京", 0, 2), ("人", 2, 3)], "a 北京 b": [("a", 0, 1), ("北京", 2, 4), ("b", 5, 6)]}
    jieba.tokenize = lambda text: words[text]  # type: ignore[attr-defined]
    jieba.setLogLevel = lambda level: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "jieba", jieba)
    from sftkeras.tasks.masked_lm.chinese_words import inside_words

    np.testing.assert_array_equal(inside_words(["ab", "北京人", "a 北京 b"]).nonzero()[0], [3, 8])
    features = MaskedFeatures(TOKENIZER, max_length=MAX_LENGTH, mask=MASK, split_words=inside_words)
    rows, _ = encoded(features, "北京人", "ab", "a 北京 b")
    assert [row["words"].tolist() for row in rows] == [[0, 1, 1, 2, 0], [0, 1, 1, 0], [0, 1, 2, 2, 3, 0]]
