"""Texts to the words that byte pairs are merged in, by the patterns of `gpt_words`, `llama_words` and `cased_words`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import tensorflow as tf

from sftkeras.text.tokenizers.cased_words import o200k_words, tekken_words
from sftkeras.text.tokenizers.characters import opens
from sftkeras.text.tokenizers.gpt_words import gpt_words, gpt_words_and_digits
from sftkeras.text.tokenizers.llama_words import llama_words, qwen_words
from sftkeras.text.tokenizers.rows import places_of, ragged

ByteSplitting = Literal["gpt2", "gpt2 digits", "llama3", "qwen", "o200k", "tekken"]

_BEGINS: dict[ByteSplitting, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "gpt2": gpt_words,
    "gpt2 digits": gpt_words_and_digits,
    "llama3": llama_words,
    "qwen": qwen_words,
    "o200k": o200k_words,
    "tekken": tekken_words,
}


class Words(NamedTuple):
    """Words of some texts; each character is in one of them.

    Attributes:
        words: [texts, (words)] string.
        begins: [words] int64, where in the characters of all texts each begins.
    """

    words: tf.RaggedTensor
    begins: tf.Tensor


def split_words(texts: tf.Tensor, splitting: ByteSplitting) -> tf.RaggedTensor:
    """The words of `texts` [batch] string, [batch, (words)] string. Bytes that are no UTF-8 become U+FFFD."""
    return split_characters(tf.strings.unicode_decode(texts, "UTF-8"), splitting).words


def split_characters(characters: tf.RaggedTensor, splitting: ByteSplitting) -> Words:
    """The words of texts that are given as characters, [texts, (characters)] int32."""
    codes, splits = characters.flat_values, characters.row_splits
    begins = _BEGINS[splitting](codes, opens(splits, tf.size(codes)))
    places = places_of(begins)
    letters = ragged(codes, tf.concat([places, [tf.size(codes, tf.int64)]], 0))
    before = tf.concat([[0], tf.cumsum(tf.cast(begins, tf.int64))], 0)  # how many words begin before each character
    words = tf.strings.unicode_encode(letters, "UTF-8")
    return Words(ragged(words, tf.gather(before, splits)), places)
