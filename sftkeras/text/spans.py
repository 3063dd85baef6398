"""Bytes of texts to places in the strings that Python sees, without the white space around them."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

Ranges = tuple[tuple[int, int], ...]

# What Unicode calls white space: first and last code point of each stretch.
SPACES: Ranges = ((0x09, 0x0D), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A))
SPACES += ((0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000))


def character_class(ranges: Ranges) -> str:
    """A regular expression, in RE2's notation, for one character of these ranges."""
    return "[" + "".join(rf"\x{{{first:X}}}-\x{{{last:X}}}" for first, last in ranges) + "]"


@dataclass(frozen=True)
class Characters:
    """The characters of some texts, one text after the other.

    Attributes:
        codes: [characters] int32, their code points.
        splits: [batch + 1] int64, where each text begins.
        spaces: which characters are left out at the ends of a span.
    """

    codes: tf.Tensor
    splits: tf.Tensor
    spaces: Ranges = SPACES

    @classmethod
    def of(cls, texts: tf.Tensor, *, spaces: Ranges = SPACES) -> Characters:
        """The characters of `texts` [batch] string; bytes that are no UTF-8 become U+FFFD."""
        decoded = tf.strings.unicode_decode(texts, "UTF-8")
        return cls(decoded.flat_values, decoded.row_splits, spaces)

    @property
    def widths(self) -> tf.Tensor:
        """How many bytes each has in UTF-8, [characters] int32."""
        return 1 + sum(tf.cast(self.codes >= first, tf.int32) for first in (0x80, 0x800, 0x10000))

    def byte_splits(self) -> tf.Tensor:
        """Where each text begins among the bytes of all, [batch + 1] int32."""
        return tf.gather(tf.concat([[0], tf.cumsum(self.widths)], 0), self.splits)

    def spans(
        self, begins: tf.Tensor, ends: tf.Tensor, texts: tf.Tensor, *, reach: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Places in the texts, end exclusive, of stretches of bytes; white space at their ends is left out.

        A character that is cut belongs to both sides. A stretch of nothing has start = end, and so has one of white
        space, unless it is to `reach`.

        Args:
            begins: [spans] int32, among the bytes of all texts.
            ends: [spans] int32.
            texts: [spans] int32, number of the text.
            reach: a stretch of white space alone stands for the character behind it, part of which it is made of.

        Returns:
            Starts and ends, [spans] int32 each, as indexes of the text's characters.
        """
        count = tf.size(self.codes)
        character = tf.concat([tf.repeat(tf.range(count), self.widths), [count]], 0)  # of each byte
        first = tf.gather(character, begins)
        after = tf.where(ends > begins, tf.gather(character, tf.maximum(ends - 1, 0)) + 1, first)
        solid = tf.logical_not(self._is_space())
        places = tf.concat([tf.where(solid)[:, 0], [0]], 0)
        before = tf.concat([[0], tf.cumsum(tf.cast(solid, tf.int32))], 0)  # how many stand before each character
        from_place, to_place = tf.gather(before, first), tf.gather(before, after)
        if reach:
            behind = tf.gather(before, tf.cast(tf.gather(self.splits, texts + 1), tf.int32))  # past the text's last
            to_place = tf.where(ends > begins, tf.maximum(to_place, tf.minimum(from_place + 1, behind)), to_place)
        is_empty = from_place == to_place
        starts = tf.where(is_empty, first, tf.cast(tf.gather(places, from_place), tf.int32))
        stops = tf.where(is_empty, first, tf.cast(tf.gather(places, tf.maximum(to_place - 1, 0)), tf.int32) + 1)
        offset = tf.cast(tf.gather(self.splits, texts), tf.int32)
        return starts - offset, stops - offset

    def _is_space(self) -> tf.Tensor:
        return tf.reduce_any(tf.stack([(self.codes >= first) & (self.codes <= last) for first, last in self.spaces]), 0)
