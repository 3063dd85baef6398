"""From the characters of texts that were rewritten piece by piece back to those of the raw texts, inside the graph.

`alignment` is for rewriting whose pieces are single characters; here a piece can be as long as an address.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf
import tensorflow_text as tf_text

from sftkeras.text.tokenizers.rows import joined_texts, ragged, row_of_each, split, with_last

# (pieces, whether each stands at an end of its text), both [pieces] → what stands for each, itself for most
Replace = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

_ANYTHING = "(?s).+"


@dataclass(frozen=True)
class Origin:
    """Raw characters that each character of a rewritten text stands for.

    Attributes:
        starts: [batch, (characters + 1)] int32, the first raw character of each; at the end of each text, how many raw
            characters there are.
        ends: [batch, (characters + 1)] int32, the raw character after its last, likewise.
    """

    starts: tf.RaggedTensor
    ends: tf.RaggedTensor

    def spans(self, starts: tf.RaggedTensor, ends: tf.RaggedTensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
        """Finds the raw characters of spans in the rewritten texts, all [batch, (spans)] int32, ends exclusive."""
        owners = row_of_each(starts)
        text_begins = tf.gather(tf.cast(self.starts.row_starts(), tf.int32), owners)
        raw_starts = tf.gather(self.starts.flat_values, text_begins + starts.flat_values)
        last = text_begins + tf.maximum(ends.flat_values - 1, 0)
        raw_ends = tf.where(ends.flat_values > starts.flat_values, tf.gather(self.ends.flat_values, last), raw_starts)
        return starts.with_flat_values(raw_starts), starts.with_flat_values(raw_ends)

    def then(self, later: Origin) -> Origin:
        """The origin of a text that was rewritten once more: `later` is that of the second rewriting."""
        return Origin(*self.spans(later.starts, later.ends))


def untouched(texts: tf.Tensor) -> Origin:
    """The origin of texts [batch] string that nothing was done to."""
    sizes = tf.strings.length(texts, unit="UTF8_CHAR")
    starts = tf.ragged.range(sizes + 1)
    ends = tf.minimum(starts.values + 1, tf.gather(sizes, row_of_each(starts)))
    return Origin(starts, starts.with_values(ends))


def replace(texts: tf.Tensor, pattern: str, replacement: Replace) -> tuple[tf.Tensor, Origin]:
    """Replaces what a pattern finds.

    Args:
        texts: [batch] string.
        pattern: a regular expression in RE2's notation that matches no empty string.
        replacement: what stands for each piece. It is given what lies between as well, which it must leave as it is.

    Returns:
        The new texts, [batch] string, and their origin.
    """
    pieces, begins, ends = split(texts, pattern, _ANYTHING)
    sizes = tf.cast(tf.strings.length(texts), tf.int64)
    at_end = (begins.flat_values == 0) | (ends.flat_values == tf.gather(sizes, row_of_each(pieces)))
    replaced = replacement(pieces.flat_values, at_end)
    new = pieces.with_flat_values(replaced)
    return joined_texts(new), _origin_of_pieces(texts, pieces, new)


def _origin_of_pieces(texts: tf.Tensor, pieces: tf.RaggedTensor, new: tf.RaggedTensor) -> Origin:
    """Each character of a piece that stayed stands for itself; each of another piece for the whole of what it was."""
    # At the end of each text one more piece, of one character that is not counted in the raw text.
    pieces, new = (with_last(rows, tf.fill([rows.nrows()], "\n")) for rows in (pieces, new))
    text = row_of_each(pieces)
    sizes, new_sizes = (tf.strings.length(values.flat_values, unit="UTF8_CHAR") for values in (pieces, new))  # [pieces]
    begins = tf.cumsum(sizes, exclusive=True)
    piece_starts = begins - tf.gather(tf.gather(begins, pieces.row_starts()), text)
    new_begins = tf.concat([[0], tf.cumsum(tf.cast(new_sizes, tf.int64))], 0)  # [pieces + 1]
    owner = row_of_each(ragged(new_begins, new_begins))  # [new characters]: the piece of each
    place = tf.cast(tf.range(new_begins[-1]) - tf.gather(new_begins, owner), tf.int32)
    stayed = tf.gather(pieces.flat_values == new.flat_values, owner)
    starts = tf.gather(piece_starts, owner) + tf.where(stayed, place, 0)
    ends = tf.where(stayed, starts + 1, tf.gather(piece_starts + sizes, owner))
    text_sizes = tf.strings.length(texts, unit="UTF8_CHAR")
    ends = tf.minimum(ends, tf.gather(text_sizes, tf.gather(text, owner)))
    splits = tf.gather(new_begins, new.row_splits)
    return Origin(ragged(starts, splits), ragged(ends, splits))


def normalise(texts: tf.Tensor, form: str) -> tuple[tf.Tensor, Origin]:
    """Normalises texts [batch] string to a Unicode normal form, such as NFC; also gives their origin."""
    new = tf_text.normalize_utf8(texts, form)
    places = _characters_at(texts, source_bytes(texts, form, _character_bytes(new)))  # [batch, (characters + 1)]
    rows, begins = row_of_each(places), places.values
    is_last = rows != tf.roll(rows, -1, 0)  # the end of a text, where there is no character
    ends = tf.where(is_last, begins, tf.roll(begins, -1, 0))
    # Of several characters for one, as "k" and "g" for "㎏", all but the first begin where it ends.
    is_first = (ends > begins) | is_last
    first = tf.gather(tf.where(is_first)[:, 0], tf.cumsum(tf.cast(is_first, tf.int32)) - 1)
    return new, Origin(places.with_values(tf.gather(begins, first)), places.with_values(ends))


def _characters_at(texts: tf.Tensor, places: tf.RaggedTensor) -> tf.RaggedTensor:
    """The characters at some bytes of texts [batch] string, [batch, (places)] int32."""
    known = _character_bytes(texts)
    text_begins = tf.cumsum(tf.cast(tf.strings.length(texts), tf.int64) + 1, exclusive=True)
    in_all, wanted = (it.values + tf.gather(text_begins, row_of_each(it)) for it in (known, places))
    numbers = tf.searchsorted(in_all, wanted, side="right") - 1
    return places.with_values(numbers - tf.gather(tf.cast(known.row_starts(), tf.int32), row_of_each(places)))


def source_bytes(texts: tf.Tensor, form: str, places: tf.RaggedTensor) -> tf.RaggedTensor:
    """The bytes of texts [batch] string that bytes of their normal form come from, [batch, (places)] int64.

    Of several characters made from some, all but the first come from where these end.
    """
    # tensorflow_text 2.21 crashes if there is no text, and takes one without a place for a missing one: one more each.
    _, source = tf_text.normalize_utf8_with_offsets_map(tf.concat([texts, [""]], 0), form)
    asked = with_last(places, tf.zeros([places.nrows()], tf.int64))
    splits = tf.concat([asked.row_splits, asked.row_splits[-1:] + 1], 0)
    found = tf_text.find_source_offsets(source, ragged(tf.concat([asked.values, [0]], 0), splits)).values
    return places.with_values(tf.gather(found, tf.range(places.row_splits[-1]) + row_of_each(places)))


def _character_bytes(texts: tf.Tensor) -> tf.RaggedTensor:
    """The byte at which each character begins, and the number of bytes, [batch, (characters + 1)] int64."""
    return tf.strings.unicode_decode_with_offsets(tf.strings.join([texts, "\n"]), "UTF-8")[1]
