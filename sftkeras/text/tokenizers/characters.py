"""Classes of characters, and places among the characters of many texts that stand one after another."""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
import tensorflow as tf

from sftkeras.text.tokenizers.rows import places_of

# What a character is. BLANK is " ", NEWLINE "\r" or "\n", SPACE all other white space.
OTHER, LETTER, NUMBER, BLANK, SPACE, NEWLINE = range(6)
# The case of a letter; UNCASED also marks.
NO_CASE, UPPER, LOWER, UNCASED = range(4)
_CASES = {"Lu": UPPER, "Lt": UPPER, "Ll": LOWER, **dict.fromkeys(("Lm", "Lo", "Mn", "Mc", "Me"), UNCASED)}
_SPACES = {0x85, *range(0x09, 0x0E), 0x2028, 0x2029}  # besides the separators of Unicode
_NEWLINES = {0x0A, 0x0D}
_LONGER = (0x80, 0x800, 0x10000)  # from which on a character has one byte more
_PAGE = 128  # characters in a row of a table; most rows are alike and are stored once


class CharacterTable:
    """A number for each character, stored page by page, since most pages are alike.

    Args:
        values: [1114112] the number of each code point.
    """

    def __init__(self, values: np.ndarray) -> None:
        different, numbers = np.unique(values.reshape(-1, _PAGE), axis=0, return_inverse=True)
        self._pages, self._values = numbers.reshape(-1).astype(np.int32), different.reshape(-1)

    def __call__(self, codes: tf.Tensor) -> tf.Tensor:
        """Return the numbers of `codes` [characters] int32, [characters] of the values' type."""
        page = tf.gather(self._pages, codes // _PAGE)
        return tf.gather(self._values, page * _PAGE + codes % _PAGE)


def kinds(codes: tf.Tensor) -> tf.Tensor:
    """Whether each character is a letter, a number, and so on, [characters] int8."""
    return _kinds_table()(codes)


def cases(codes: tf.Tensor) -> tf.Tensor:
    """The case of each character that is a letter or a mark, [characters] int8."""
    return _cases_table()(codes)


def utf8_widths(codes: tf.Tensor) -> tf.Tensor:
    """Number of bytes of each character, [characters] int32."""
    return 1 + tf.add_n([tf.cast(codes >= first, tf.int32) for first in _LONGER])


def later(values: tf.Tensor) -> tf.Tensor:
    """Each value one place later, zero first."""
    return tf.concat([tf.zeros([1], values.dtype), values], 0)[:-1]


def earlier(values: tf.Tensor) -> tf.Tensor:
    """Each value one place earlier, zero last."""
    return tf.concat([values, tf.zeros([1], values.dtype)], 0)[1:]


def opens(splits: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Whether a text begins at each character: [characters + 1] bool, the last for the end of the last text.

    Args:
        splits: [texts + 1] int64, where in all characters each text begins.
        count: how many characters there are, int32.
    """
    return tf.scatter_nd(splits[:, tf.newaxis], tf.ones_like(splits, tf.int32), [count + 1]) > 0


def last_place(flags: tf.Tensor) -> tf.Tensor:
    """The last place at or before each where a flag is set, [places] int32; -1 if there is none."""
    places = tf.concat([[-1], tf.cast(places_of(flags), tf.int32)], 0)
    return tf.gather(places, tf.cumsum(tf.cast(flags, tf.int32)))


def next_place(flags: tf.Tensor) -> tf.Tensor:
    """The first place at or behind each where a flag is set, [places] int32; their number if there is none."""
    places = tf.concat([tf.cast(places_of(flags), tf.int32), [tf.size(flags)]], 0)
    return tf.gather(places, tf.cumsum(tf.cast(flags, tf.int32), exclusive=True))


@cache
def _kinds_table() -> CharacterTable:
    return CharacterTable(np.array([_kind(code) for code in range(0x110000)], np.int8))


@cache
def _cases_table() -> CharacterTable:
    found = [_CASES.get(unicodedata.category(chr(code)), NO_CASE) for code in range(0x110000)]
    return CharacterTable(np.array(found, np.int8))


def _kind(code: int) -> int:
    match unicodedata.category(chr(code))[0]:
        case "L":
            return LETTER
        case "N":
            return NUMBER
        case "Z":
            return BLANK if code == ord(" ") else SPACE
        case _:
            if code in _NEWLINES:
                return NEWLINE
            return SPACE if code in _SPACES else OTHER
