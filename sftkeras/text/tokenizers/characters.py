"""Classes of characters, and places among the characters of many texts that stand one after another."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from functools import cache

import numpy as np
import tensorflow as tf

from sftkeras.text.tokenizers.rows import places_of

# What a character is. BLANK is " ", NEWLINE "\r" or "\n", SPACE all other white space.
OTHER, LETTER, NUMBER, BLANK, SPACE, NEWLINE = range(6)
# The case of a letter; UNCASED also marks.
NO_CASE, UPPER, LOWER, UNCASED = range(4)
_CASES = {"Lu": UPPER, "Lt": UPPER, "Ll": LOWER, **dict.fromkeys(("Lm", "Lo", "Mn", "Mc", "Me"), UNCASED)}
_KINDS = {
    **dict.fromkeys(("Lu", "Ll", "Lt", "Lm", "Lo"), LETTER),
    **dict.fromkeys(("Nd", "Nl", "No"), NUMBER),
    **dict.fromkeys(("Zs", "Zl", "Zp"), SPACE),
}
_SPACES = [0x09, 0x0B, 0x0C, 0x85]  # besides the separators of Unicode
_NEWLINES = [0x0A, 0x0D]
_LONGER = (0x80, 0x800, 0x10000)  # from which on a character has one byte more
_PAGE = 128  # characters in a row of a table; most rows are alike and are stored once


class CharacterTable:
    """A number for each character, stored page by page, since most pages are alike.

    Args:
        values: [1114112] the number of each code point.
    """

    def __init__(self, values: np.ndarray) -> None:
        places: dict[bytes, int] = {}  # of different pages; comparing them as numbers takes 80 times as long
        numbers = [places.setdefault(page.tobytes(), len(places)) for page in values.reshape(-1, _PAGE)]
        self._pages = np.array(numbers, np.int32)
        self._values = np.frombuffer(b"".join(places), values.dtype)

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
    kinds = _numbers_of_categories(_KINDS, OTHER)
    kinds[ord(" ")] = BLANK
    kinds[_SPACES] = SPACE
    kinds[_NEWLINES] = NEWLINE
    return CharacterTable(kinds)


@cache
def _cases_table() -> CharacterTable:
    return CharacterTable(_numbers_of_categories(_CASES, NO_CASE))


def _numbers_of_categories(numbers: Mapping[str, int], other: int) -> np.ndarray:
    """The number of each code point's category in Unicode, [1114112] int8; `other` for categories without one."""
    of_category = defaultdict(lambda: other, numbers)
    categories = map(unicodedata.category, map(chr, range(0x110000)))
    return np.fromiter(map(of_category.__getitem__, categories), np.int8, 0x110000)
