"""Texts to the words of GPT-2's pattern, which byte pairs are merged in, by the classes of their characters.

The pattern is `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+`. Regular expressions
of TensorFlow know no `(?!…)`, and need a microsecond for each word; this takes a fifth of the time.
"""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
import tensorflow as tf

_OTHER, _LETTER, _NUMBER, _BLANK, _SPACE = range(5)  # _BLANK is " ", _SPACE all other white space
_SPACES = {0x85, *range(0x09, 0x0E), 0x2028, 0x2029}  # besides the separators of Unicode
_PAGE = 128  # characters in a row of the table; most rows are alike and are stored once


def split_words(texts: tf.Tensor) -> tf.RaggedTensor:
    """The words of `texts` [batch] string, [batch, (words)] string; each character is in one of them.

    Bytes that are no UTF-8 become U+FFFD.
    """
    characters = tf.strings.unicode_decode(texts, "UTF-8")
    codes, splits = characters.flat_values, characters.row_splits
    begins = _word_begins(codes, splits)
    letters = tf.RaggedTensor.from_row_splits(
        codes, tf.concat([tf.where(begins)[:, 0], [tf.size(codes, tf.int64)]], 0), validate=False
    )
    before = tf.concat([[0], tf.cumsum(tf.cast(begins, tf.int64))], 0)  # how many words begin before each character
    words = tf.strings.unicode_encode(letters, "UTF-8")
    return tf.RaggedTensor.from_row_splits(words, tf.gather(before, splits), validate=False)


def _word_begins(codes: tf.Tensor, splits: tf.Tensor) -> tf.Tensor:
    """Whether a word begins at each character, [characters] bool."""
    kinds = _kinds(codes)
    # Whether a text begins here; one place more than there are characters, for the end of the last.
    opens = tf.scatter_nd(splits[:, tf.newaxis], tf.ones_like(splits, tf.int32), [tf.size(codes) + 1]) > 0
    return _with_contractions(codes, _begins(kinds, kinds >= _BLANK, opens), opens)


def _begins(kinds: tf.Tensor, is_space: tf.Tensor, opens: tf.Tensor) -> tf.Tensor:
    """Where words begin if apostrophes are like any other character, [characters] bool."""
    before, space_before = _later(kinds), _later(is_space)
    is_first, is_last = opens[:-1], opens[1:]
    # Spaces are a word of their own, but for the last before something else: " " belongs to what follows.
    space_begins = tf.logical_not(space_before) | tf.logical_not(_earlier(is_space) | is_last)
    other_begins = (kinds != before) & (before != _BLANK)
    return is_first | tf.where(is_space, space_begins, other_begins)


def _with_contractions(codes: tf.Tensor, begins: tf.Tensor, opens: tf.Tensor) -> tf.Tensor:
    """Makes 's, 't, 're, 've, 'm, 'll and 'd words of their own where an apostrophe begins a word."""
    one, two = _earlier(codes), _earlier(_earlier(codes))
    ends_one, ends_two = opens[1:], _earlier(opens[1:])  # whether the text ends after this character, after the next
    begins_here = begins & (codes == ord("'")) & tf.logical_not(ends_one)
    short = begins_here & _is_any(one, "stmd")
    long = (
        begins_here
        & tf.logical_not(ends_two)
        & ((_is_any(one, "rv") & (two == ord("e"))) | ((one == ord("l")) & (two == ord("l"))))
    )
    begins = begins & tf.logical_not(_later(short | long))
    return begins | _later(_later(short)) | _later(_later(_later(long)))


def _is_any(codes: tf.Tensor, letters: str) -> tf.Tensor:
    return tf.reduce_any(tf.stack([codes == ord(letter) for letter in letters]), 0)


def _later(values: tf.Tensor) -> tf.Tensor:
    """Each value one place later, zero first."""
    return tf.concat([tf.zeros_like(values[:1]), values[:-1]], 0)


def _earlier(values: tf.Tensor) -> tf.Tensor:
    """Each value one place earlier, zero last."""
    return tf.concat([values[1:], tf.zeros_like(values[:1])], 0)


def _kinds(codes: tf.Tensor) -> tf.Tensor:
    """Whether each character is a letter, a number, and so on, [characters] int8."""
    pages, table = _table()
    page = tf.gather(pages, codes // _PAGE)
    return tf.gather(table, page * _PAGE + codes % _PAGE)


@cache
def _table() -> tuple[np.ndarray, np.ndarray]:
    """The kinds of all characters, page by page: the number of each page [pages], and the different pages in a row."""
    kinds = np.array([_kind(code) for code in range(0x110000)], np.int8)
    different, numbers = np.unique(kinds.reshape(-1, _PAGE), axis=0, return_inverse=True)
    return numbers.reshape(-1).astype(np.int32), different.reshape(-1)


def _kind(code: int) -> int:
    match unicodedata.category(chr(code))[0]:
        case "L":
            return _LETTER
        case "N":
            return _NUMBER
        case "Z":
            return _BLANK if code == ord(" ") else _SPACE
        case _:
            return _SPACE if code in _SPACES else _OTHER
