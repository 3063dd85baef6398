"""Beginnings of words by the patterns of Llama 3 and of Qwen: byte pairs are merged within words.

The pattern is `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|
\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`, where Qwen has `\\p{N}` alone for `\\p{N}{1,3}`.
"""

from __future__ import annotations

import tensorflow as tf

from sftkeras.text.tokenizers.characters import (
    BLANK,
    LETTER,
    NEWLINE,
    NUMBER,
    OTHER,
    SPACE,
    earlier,
    kinds,
    last_place,
    later,
    next_place,
)
from sftkeras.text.tokenizers.gpt_words import with_contractions

_NONE = -1  # the class where there is no character
_LONG_S = 0x17F  # "ſ", which is "s" where case does not count


def llama_words(codes: tf.Tensor, opens: tf.Tensor) -> tf.Tensor:
    """Beginnings of words by Llama 3's pattern; see `gpt_words.gpt_words` for arguments and value."""
    return _words(codes, opens, digits=3)


def qwen_words(codes: tf.Tensor, opens: tf.Tensor) -> tf.Tensor:
    """Beginnings of words by Qwen's pattern, which has each digit apart."""
    return _words(codes, opens, digits=1)


def _words(codes: tf.Tensor, opens: tf.Tensor, *, digits: int) -> tf.Tensor:
    classes = tf.cast(kinds(codes), tf.int32)
    is_first, is_last = opens[:-1], opens[1:]
    before = tf.where(is_first, _NONE, later(classes))
    before_that = tf.where(is_first | later(is_first), _NONE, later(later(classes)))
    # One character goes with the letters behind it: a space, or a sign that no sign or " " stands before.
    lone_sign = (before == OTHER) & (before_that != OTHER) & (before_that != BLANK)
    attached = (before == LETTER) | lone_sign | (before == BLANK) | (before == SPACE)
    begins = tf.where(classes == OTHER, (before != OTHER) & (before != BLANK), ~attached)
    begins = tf.where(classes == NUMBER, digit_begins(before, digits), begins)
    eaten = _behind_signs(classes, is_first)
    begins = tf.where(classes >= BLANK, space_begins(classes, before, eaten, is_last), begins)
    return with_contractions(lowered(codes), is_first | begins, opens)


def digit_begins(before: tf.Tensor, digits: int) -> tf.Tensor:
    """Beginnings of words of so many digits; anything where there is no digit."""
    if digits == 1:
        return tf.ones_like(before, tf.bool)
    return (tf.range(tf.size(before)) - last_place(before != NUMBER)) % digits == 0


def _behind_signs(classes: tf.Tensor, is_first: tf.Tensor) -> tf.Tensor:
    """Line breaks that stand directly behind a sign, and belong to it, [characters] bool."""
    is_newline = classes == NEWLINE
    no_newline = last_place(~is_newline)
    behind_sign = tf.gather(tf.concat([[_NONE], classes], 0), no_newline + 1) == OTHER
    return is_newline & behind_sign & (no_newline >= last_place(is_first))


def space_begins(classes: tf.Tensor, before: tf.Tensor, eaten: tf.Tensor, is_last: tf.Tensor) -> tf.Tensor:
    """Beginnings of words of white space; anything where there is none.

    Args:
        classes: of characters, [characters] int32.
        before: of those before them.
        eaten: which line breaks belong to a sign before them.
        is_last: which characters are the last of a text.
    """
    is_space, is_newline = classes >= BLANK, classes == NEWLINE
    # Up to its last newline a run is one word; of what is left, the last character goes with what follows.
    ends = is_last | ~earlier(is_space)
    newline_follows = next_place(is_newline) <= next_place(is_space & ends)
    begins = (before < BLANK) | later(eaten) | ((before == NEWLINE) & ~newline_follows)
    return ~eaten & (begins | (ends & ~is_last & ~is_newline))


def lowered(codes: tf.Tensor) -> tf.Tensor:
    """The characters with the letters of contractions in lower case."""
    is_capital = (codes >= ord("A")) & (codes <= ord("Z"))
    return tf.where(is_capital, codes + (ord("a") - ord("A")), tf.where(codes == _LONG_S, ord("s"), codes))
