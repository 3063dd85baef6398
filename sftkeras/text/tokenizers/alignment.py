"""From bytes of a text, or of what it was rewritten to, to the characters of the raw one, inside the graph.

Many tokenizers lower texts and take letters and accents apart before they split them. Each character's rewriting
depends on that character alone, so its length can be had from the few different characters of a batch, and shows which
bytes of the rewritten text come from where.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from sftkeras.text.tokenizers.rows import one_in_each_row, row_of_each

SPACE = r"[\p{Z}\t\n\v\f\r\x{85}]"  # all that Unicode calls white space
_MARK = r"\p{M}"
_END = "\n"  # one byte, whatever is done to it


@dataclass(frozen=True)
class Alignment:
    """The raw characters that the bytes of rewritten texts stand for.

    A unit is a raw character with what the rewriting dropped after it and belongs to it, such as accents. The units of
    all texts stand one after another, and so do the bytes of the rewritten texts.

    Attributes:
        text_begins: [batch] int32, where in all bytes each text begins.
        unit_ends: [units] int32, where in all bytes what is left of each unit ends.
        starts: [units] int32, the first raw character of each unit, counted within its text.
        ends: [units] int32, the raw character after its last; of white space that is left out, the one after what
            stands before it.
        solid: [units] int32, the unit at or behind each that is no white space, itself if its text has no such; None
            if no white space is left out.
    """

    text_begins: tf.Tensor
    unit_ends: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    solid: tf.Tensor | None

    def spans(
        self, texts: tf.Tensor, begins: tf.Tensor, ends: tf.Tensor, *, reach: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Finds the raw characters of pieces of the texts. A character that is cut belongs to both sides.

        Args:
            texts: [pieces] int, the number of the text that each piece is of.
            begins: [pieces] int, the first byte of each piece, within its rewritten text.
            ends: [pieces] int, the byte after its last; where it begins if the piece stands for nothing.
            reach: a piece of white space alone stands for what is behind it, part of which it is made of.

        Returns:
            The first raw character of each piece and the one after its last, [pieces] int32. They are equal where the
            piece stands for nothing, or for white space that is left out.
        """
        text_begins = tf.gather(self.text_begins, texts)
        begins, ends = text_begins + tf.cast(begins, tf.int32), text_begins + tf.cast(ends, tf.int32)
        first, last = self._units_at(begins), self._units_at(ends - 1)
        solid = first if self.solid is None else tf.gather(self.solid, first)
        if reach:
            last = tf.maximum(last, solid)
        is_empty = (ends <= begins) | (solid > last)
        starts = tf.gather(self.starts, tf.where(is_empty, first, solid))
        return starts, tf.where(is_empty, starts, tf.maximum(starts, tf.gather(self.ends, last)))

    def _units_at(self, places: tf.Tensor) -> tf.Tensor:
        """The unit that each byte is of; the last one where there is no such byte."""
        units = tf.searchsorted(self.unit_ends, places, side="right")
        return tf.minimum(units, tf.size(self.unit_ends) - 1)


def align(
    texts: tf.Tensor,
    rewrite: Callable[[tf.Tensor], tf.Tensor] = tf.identity,
    *,
    paired: str = "",
    space: str | None = None,
) -> Alignment:
    """Finds out what becomes of each character.

    Args:
        texts: [batch] string, the raw texts; bytes that are no UTF-8 count as U+FFFD.
        rewrite: what is done to them, [n] string to [n] string, each character by itself.
        paired: characters of which two in a row become one, before `rewrite`.
        space: what spans neither begin nor end with, as a regular expression for one character, such as `SPACE`.
    """
    # One character more after each text, so that no text and no batch is without.
    decoded = tf.strings.unicode_decode(tf.strings.join([texts, _END]), "UTF-8")
    rows, codes = tf.cast(row_of_each(decoded), tf.int32), decoded.flat_values
    starts = tf.range(tf.size(codes)) - tf.gather(tf.cast(decoded.row_starts(), tf.int32), rows)
    different, which = tf.unique(codes)
    characters = tf.strings.unicode_encode(one_in_each_row(different), "UTF-8")
    widths = tf.gather(tf.strings.length(rewrite(characters)), which)
    second = _second_of_pairs(codes, rows, paired)
    widths = tf.where(second, 0, widths)
    is_mark = tf.gather(tf.strings.regex_full_match(characters, _MARK), which)
    heads = tf.where(~(second | is_mark & (widths == 0) & (starts > 0)))[:, 0]
    widths, rows, starts, which = (tf.gather(values, heads) for values in (widths, rows, starts, which))
    # A unit ends where the next one begins; behind the last one of a text is the first of the next text.
    ends = tf.maximum(starts, tf.roll(starts, -1, 0))
    text_begins = tf.cumsum(tf.math.segment_sum(widths, rows), exclusive=True)
    solid = None
    if space is not None:
        is_space = tf.gather(tf.strings.regex_full_match(characters, space), which)
        solid, ends = _around_space(starts, ends, rows, is_space)
    return Alignment(text_begins, tf.cumsum(widths), starts, ends, solid)


def _second_of_pairs(codes: tf.Tensor, rows: tf.Tensor, paired: str) -> tf.Tensor:
    """Whether a character is the second of two equal ones that become one."""
    if not paired:
        return tf.zeros_like(codes, tf.bool)
    pairable = tf.reduce_any(codes[:, tf.newaxis] == [ord(character) for character in paired], 1)
    repeats = pairable & (codes == tf.roll(codes, 1, 0)) & (rows == tf.roll(rows, 1, 0))
    repeats &= tf.range(tf.size(codes)) > 0
    run_begins = tf.where(~repeats)[:, 0]
    run = tf.cumsum(tf.cast(~repeats, tf.int32)) - 1
    place = tf.range(tf.size(codes)) - tf.cast(tf.gather(run_begins, run), tf.int32)
    return repeats & (place % 2 == 1)


def _around_space(
    starts: tf.Tensor, ends: tf.Tensor, rows: tf.Tensor, is_space: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """For each unit, the one at or behind it that is no white space; and its end, that of the one before a space."""
    solid = tf.cast(tf.where(~is_space)[:, 0], tf.int32)
    number = tf.cumsum(tf.cast(~is_space, tf.int32), exclusive=True)  # of the solid unit at or behind each
    here = tf.range(tf.size(starts))

    def solid_unit(numbers: tf.Tensor) -> tf.Tensor:
        """The solid units of these numbers; the unit itself, where its text has no such."""
        known = tf.gather(tf.concat([solid, [0]], 0), tf.clip_by_value(numbers, 0, tf.size(solid)))
        in_text = (numbers >= 0) & (numbers < tf.size(solid)) & (tf.gather(rows, known) == rows)
        return tf.where(in_text, known, here)

    before = solid_unit(number - 1)
    end_before = tf.where(before == here, starts, tf.gather(ends, before))
    return solid_unit(number), tf.where(is_space, end_before, ends)
