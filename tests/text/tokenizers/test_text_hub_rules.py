"""The tokenizer of a TF-Hub module equals the module's public preprocessor token for token, in any script."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text as tf_text
from backbones.hub_modules import BERT, ENCODERS, EncoderModule, write_preprocessor
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_tokenizers import CHARACTERS, toy_vocabulary

from sftkeras.backbones.tfhub.module import read_module
from sftkeras.backbones.tfhub.tokenizer import tokenizer_of
from sftkeras.text import TextFeatures, Tokenizer, WordPiece

Tokenise = Callable[[Sequence[str]], list[list[int]]]

NAMES = {"token_ids": "input_word_ids", "segment_ids": "input_type_ids", "padding_mask": "input_mask"}

TEXTS = {
    "empty": ["", " ", "\t\n", "\u200b"],
    "accents": ["café cafe\u0301 Ünïcödé naïve Ñandú", "A\u030a Å \u212b", "ệ ε\u0301", "résumé" * 3],
    "case folding": ["Straße STRASSE ẞ", "İstanbul ISTANBUL ıŞIK", "ΣΊΣΥΦΟΣ ς σ", "ǅ ﬁlm ﬄ Ⅷ ① ㎏", "ꟽ Ა Ꭰ ꭰ"],
    "CJK": ["这部电影很好看", "good这film", "漢字かなカナ한국어", "𠮷野家 豈更", "ｆｕｌｌ　ｗｉｄｔｈ！", "ｶﾞ ゛"],
    "control": ["a\x00b", "a\x07b\x1bc", "tab\tnew\r\nline\x0b\x0c\x85\u2028\u2029end", "soft\u00adhyphen", "\ufffd a"],
    "zero width": [
        "zero\u200bwidth\u200cjoi\u200dner\ufeff",
        "left\u200eright\u200f\u202aembed\u202c",
        "👩\u200d👩\u200d👧",
    ],
    "spaces": ["a\u00a0b\u2003c\u3000d\u202fe", "  many   spaces  "],
    "punctuation": ["it's (good)... 50% – “fine”! $5 a_b @x #y ¿qué? «ça»", "¡!¡", "^`~|+=<>"],
    "long words": ["a" * 100, "a" * 101, "é" * 50, "é" * 51, "字" * 120, "x" * 99 + " " + "y" * 200, "un" * 300],
    "special tokens": ["[CLS] a [SEP] b [MASK] [PAD] [UNK]", "[unused1]", "[cls]"],
    "others": [
        "مرحبا بالعالم",
        "नमस्ते दुनिया",
        "สวัสดี",
        "שָׁלוֹם",
        "🎬🏳️\u200d🌈🇩🇪",
        "\U0001d4d0\U0001d4d1 \ue000 \U0010ffff",
    ],
}


@cache
def pieces() -> tuple[str, ...]:
    return tuple(toy_vocabulary())


def public_tokenizer(lowercase: bool) -> Tokenise:
    """The tokenizer inside BERT's public preprocessors."""
    keys = tf.constant(pieces())
    values = tf.range(len(pieces()), dtype=tf.int64)
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), -1)
    tokenizer = tf_text.BertTokenizer(table, lower_case=lowercase)
    return lambda texts: tokenizer.tokenize(tf.constant(list(texts))).merge_dims(1, 2).to_list()


@pytest.fixture(scope="module", params=[True, False], ids=["uncased", "cased"])
def both(request: pytest.FixtureRequest) -> tuple[Tokenise, Tokenise]:
    ours = WordPiece(pieces(), lowercase=request.param, rules="tensorflow_text")
    return lambda texts: ours(tf.constant(list(texts))).to_list(), public_tokenizer(request.param)


@pytest.mark.parametrize("case", TEXTS)
def test_difficult_texts(case: str, both: tuple[Tokenise, Tokenise]) -> None:
    ours, public = both
    assert ours(TEXTS[case]) == public(TEXTS[case])


def test_every_character_alone_and_in_a_word(both: tuple[Tokenise, Tokenise]) -> None:
    ours, public = both
    texts = [*CHARACTERS, *(f"a{character}b {character}the" for character in CHARACTERS)]
    differing = [text for text, one, other in zip(texts, ours(texts), public(texts), strict=True) if one != other]
    assert differing == []


ALL_TEXTS = [text for texts in TEXTS.values() for text in texts]
words = st.text(st.sampled_from(CHARACTERS), max_size=12)
joints = st.sampled_from(["the", "unaffable", " ", "\u200d", "\u0301", "ß"])
mixtures = st.lists(st.one_of(words, joints, st.sampled_from(ALL_TEXTS)), max_size=8)


@settings(max_examples=60, deadline=None)
@given(st.lists(mixtures.map("".join), min_size=1, max_size=20))
def test_random_texts(both: tuple[Tokenise, Tokenise], texts: list[str]) -> None:
    ours, public = both
    assert ours(texts) == public(texts)


def test_the_two_kinds_of_rules_differ_where_they_are_said_to() -> None:
    """Or else one of them is not what it says."""
    kinds = [WordPiece(pieces(), lowercase=True, rules=rules) for rules in ("hugging_face", "tensorflow_text")]
    for text in ("straße", "bell\x07rings", "ж" * 51):
        one, other = (tokenizer(tf.constant([text])).to_list() for tokenizer in kinds)
        assert one != other
    same = tf.constant(["The unaffable movie, in Istanbul: café!"])
    assert kinds[0](same).to_list() == kinds[1](same).to_list()
    assert kinds[0].fingerprint != kinds[1].fingerprint


@pytest.fixture(scope="module", params=["uncased", "cased", "SentencePiece"])
def module_and_preprocessor(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Tokenizer, Any]:
    """The tokenizer of an encoder module, and its preprocessor, loaded."""
    folder, kind = tmp_path_factory.mktemp("modules"), request.param
    if kind == "SentencePiece":
        encoder, preprocessor = ENCODERS["ALBERT"], request.getfixturevalue("sentence_piece_preprocessor_folder")
    else:
        encoder, preprocessor = EncoderModule(lowercase=kind == "uncased", vocabulary=pieces(), layers=1), folder / "it"
        write_preprocessor(preprocessor, vocabulary=pieces(), lowercase=kind == "uncased")
    tokenizer = tokenizer_of(read_module(encoder.write(folder / "encoder")))
    return tokenizer, tf.saved_model.load(str(preprocessor))


@pytest.mark.parametrize("paired", [False, True], ids=["single", "pairs"])
def test_a_modules_tokenizer_packs_as_its_preprocessor(
    module_and_preprocessor: tuple[Tokenizer, Any], paired: bool
) -> None:
    tokenizer, preprocessor = module_and_preprocessor
    given = [tf.constant(ALL_TEXTS), *([tf.constant(ALL_TEXTS[::-1])] if paired else [])]
    tokens = [preprocessor.tokenize(texts) for texts in given]
    for length in (5, 16, 128):
        expected = preprocessor.bert_pack_inputs(tokens, seq_length=tf.constant(length))
        found = TextFeatures(tokenizer, max_length=length, pairs=paired)(*given)
        for ours, theirs in NAMES.items():
            padded = np.pad(found[ours], [(0, 0), (0, length - found[ours].shape[1])])
            np.testing.assert_array_equal(padded, expected[theirs], err_msg=f"{ours}, {length} tokens")


@pytest.mark.parametrize("lowercase", [True, False])
def test_a_module_that_does_not_say_whether_to_lower_shows_it_in_its_vocabulary(
    lowercase: bool, tmp_path: Path
) -> None:
    vocabulary = [*BERT.vocabulary, *([] if lowercase else ["Film"])]
    folder = EncoderModule(lowercase=None, vocabulary=vocabulary).write(tmp_path / "module")
    assert tokenizer_of(read_module(folder)).lowercase is lowercase  # type: ignore[attr-defined]
