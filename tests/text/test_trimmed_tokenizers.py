"""A trimmed tokenizer splits the texts that it was trimmed to as before, and others into what is left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tokenizers
from every_tokenizer import TOKENIZERS, odd_texts
from tiny_byte_pairs import tiny_byte_pairs
from tiny_decoder_tokenizers import FAMILIES, loaded, write_tokenizer
from tiny_sentence_pieces import SENTENCES

from sftkeras.backbones.hugging_face import load_decoder_tokenizer
from sftkeras.backbones.hugging_face.fewer_tokens import write_fewer_tokens
from sftkeras.text import BytePair, Tokenizer, with_special_strings
from sftkeras.text.tokenizers.trimming import tokens_to_keep, trimmed

ENCODERS = [name for name in TOKENIZERS if not name.startswith("cleaned")]
TEXTS = [*SENTENCES[:5], "aaaa aa", "I'll  x\n\n\n<think> y", *odd_texts()[:80]]
OTHERS = [*SENTENCES[5:], *odd_texts()[80:90]]


def split(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    return tokenizer(tf.constant(texts)).to_list()


def kept_by(tokenizer: Tokenizer) -> np.ndarray:
    kept = tokens_to_keep(tokenizer, {number for row in split(tokenizer, TEXTS) for number in row})
    assert len(kept) < tokenizer.size
    return kept


def assert_split_as_before(before: Tokenizer, now: Tokenizer, kept: np.ndarray) -> None:
    assert now.size == len(kept)
    assert [kept[row].tolist() for row in split(now, TEXTS)] == split(before, TEXTS)
    assert before.pieces(kept) == now.pieces(np.arange(now.size))
    assert all(0 <= number < len(kept) for row in split(now, OTHERS) for number in row)


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoders_texts_are_split_as_before(name: str) -> None:
    tokenizer = TOKENIZERS[name]()
    kept = kept_by(tokenizer)
    assert_split_as_before(tokenizer, trimmed(tokenizer, kept), kept)


def test_byte_pairs_and_added_strings_are_split_as_before() -> None:
    tokenizer = with_special_strings(BytePair(*tiny_byte_pairs()), {"[E1]": 380, "[/E1]": 381})
    kept = kept_by(tokenizer)
    now = trimmed(tokenizer, kept)
    assert_split_as_before(tokenizer, now, kept)
    assert split(now, ["[E1]the[/E1]"])[0][:: 2 if len(split(now, ["the"])[0]) == 1 else -1][0] == len(kept) - 2


@pytest.mark.parametrize("family", FAMILIES)
def test_a_decoders_texts_are_split_as_before_also_by_hugging_faces_tokenizer(family: str, tmp_path: Path) -> None:
    tokenizer = loaded(family)
    kept = kept_by(tokenizer)
    write_fewer_tokens(write_tokenizer(tmp_path, family), tokenizer.special, kept)
    now = load_decoder_tokenizer(tmp_path)
    assert_split_as_before(tokenizer, now, kept)
    assert [tokenizer.vocabulary[number] for number in tokenizer.end_ids] == [now.vocabulary[it] for it in now.end_ids]
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    asked = [text for text in SENTENCES if "👍" not in text]
    assert [theirs.encode(text, add_special_tokens=False).ids for text in asked] == split(now, asked)


def test_the_small_files_of_a_decoder_name_the_new_numbers(tmp_path: Path) -> None:
    tokenizer = loaded("gpt2")
    kept = kept_by(tokenizer)
    new = {int(number): place for place, number in enumerate(kept)}
    write_tokenizer(tmp_path, "gpt2")
    (tmp_path / "config.json").write_text('{"vocab_size": 422, "eos_token_id": [2, 0], "pad_token_id": 0, "n_embd": 8}')
    write_fewer_tokens(tmp_path, tokenizer.special, kept)
    import json

    config = json.loads((tmp_path / "config.json").read_text())
    assert config == {"vocab_size": len(kept), "eos_token_id": [new[2], new[0]], "pad_token_id": new[0], "n_embd": 8}
