"""Texts in a language that the backbone's vocabulary does not know are warned of, with their share and an example."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_bert import VOCABULARY, write_csv
from tiny_byte_pairs import tiny_byte_pairs
from tiny_sentence_pieces import SENTENCES

from sftkeras.config import DataConfig
from sftkeras.data import Finding, load_data
from sftkeras.data.labels.classes.kind import ONE_LABEL
from sftkeras.tasks.similarity.features import BiEncoderFeatures
from sftkeras.text import BytePair, TextFeatures, Tokenizer, WordPiece, with_special_strings
from sftkeras.training.batches import read_inputs
from sftkeras.training.foreign_texts import foreign_texts

WORDS = ("the good film", "a lovely plot", "the awful ending", "a dull story", "the boring score", "a moving scene")
CHINESE = ("这部电影很好", "情节可爱", "结局糟糕", "无聊的故事", "配乐乏味", "场景动人")
RUSSIAN = ("хороший фильм", "милый сюжет", "ужасный конец", "скучный рассказ", "нудная музыка", "трогательная сцена")
LETTERS = [f"{mark}{chr(letter)}" for letter in range(ord("а"), ord("я") + 1) for mark in ("", "##")]


def word_piece(*more: str) -> Tokenizer:
    return WordPiece([*VOCABULARY, *more], lowercase=True)


def byte_pair() -> Tokenizer:
    return BytePair(*tiny_byte_pairs())


def found(folder: Path, texts: tuple[str, ...], tokenizer: Tokenizer, *, pairs: bool = False) -> list[Finding]:
    """What is found in sixty rows of some texts."""
    rows = [(f"{texts[row % 6]} {texts[row // 6 % 6]}", texts[row % 5], "ab"[row % 2]) for row in range(60)]
    file = write_csv(folder / "rows.csv", rows, ("text", "second", "label"))
    data = load_data(DataConfig(train=str(file), pair="second" if pairs else None), ONE_LABEL, 1)
    single = TextFeatures(tokenizer, max_length=48, pairs=False)
    inputs = read_inputs(data.examples, BiEncoderFeatures(single) if pairs else single)
    return foreign_texts(data.examples, data.splits, inputs, tokenizer)


@pytest.mark.parametrize("pairs", [False, True])
def test_characters_that_are_not_in_the_vocabulary_are_warned_of(tmp_path: Path, pairs: bool) -> None:
    (warning,) = found(tmp_path, CHINESE, word_piece(), pairs=pairs)
    assert (warning.code, warning.severity) == ("SFT404", "warning")
    assert "unknown tokens are train 100%, validation 100%, test 100% of all, most in " in warning.message
    assert "rows.csv line " in warning.message
    assert any(text in warning.message for text in CHINESE)
    assert "--backbone.handle" in warning.message


def test_a_vocabulary_of_bytes_shows_it_by_parts_of_characters(tmp_path: Path) -> None:
    (warning,) = found(tmp_path, CHINESE, with_special_strings(byte_pair(), {"[E1]": 400}))
    assert warning.code == "SFT404"


def test_words_that_are_spelled_letter_by_letter_are_warned_of(tmp_path: Path) -> None:
    (warning,) = found(tmp_path, RUSSIAN, word_piece(*LETTERS))
    assert warning.code == "SFT405"
    assert "train 100%, validation 100%, test 100% of the tokens are single letters" in warning.message


def test_a_language_that_is_known_is_not(tmp_path: Path) -> None:
    assert found(tmp_path, WORDS, word_piece()) == []
    assert found(tmp_path, tuple(SENTENCES[:6]), byte_pair()) == []


def test_a_character_may_be_a_word_where_there_are_no_spaces(tmp_path: Path) -> None:
    assert found(tmp_path, CHINESE, word_piece(*dict.fromkeys("".join(CHINESE)))) == []


def test_few_unknown_words_are_no_other_language(tmp_path: Path) -> None:
    assert found(tmp_path, (*WORDS[:5], "the lovely film of the good story é"), word_piece()) == []
