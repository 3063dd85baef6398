"""Marked text to tokens inside the graph: special tokens by their marks alone, and which tokens are learned.

See `sftkeras.text.marks`. Token numbers are those that Hugging Face's tokenizer gives for the rendered conversation,
but that special tokens which a user wrote stay ordinary text.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from sftkeras.text.marks import LEARNED, LEARNED_END, SPECIAL, SPECIAL_END
from sftkeras.text.tokenizers.characters import BLANK, kinds, later
from sftkeras.text.tokenizers.rows import in_rows, joined, places_of, ragged, row_of_each, with_last
from sftkeras.text.tokenizers.string_table import StringTable
from sftkeras.text.tokenizers.tokenizer import Tokenizer

_SPECIAL, _SPECIAL_END, _LEARNED, _LEARNED_END = map(ord, (SPECIAL, SPECIAL_END, LEARNED, LEARNED_END))
_ORDINARY = -1  # in place of the number of a special token


class MarkedTokenizer:
    """Splits marked texts into the tokens of a decoder.

    A mark that names a string which is no special token of the decoder divides the text, and the string is ordinary.

    Args:
        tokenizer: a decoder's.

    Raises:
        ValueError: it is an encoder's.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        if tokenizer.decoder is None:
            raise ValueError("this tokenizer is of an encoder, which has no conversations")
        self._of_characters = tokenizer.of_characters
        decoder = tokenizer.decoder
        self._special = StringTable({**decoder.in_texts, **decoder.special})
        self._in_texts = _pattern(decoder.in_texts)
        self._takes_space = [
            np.array([decoder.special[string] for string in sorted(strings)], np.int32)
            for strings in (decoder.takes_space_before, decoder.takes_space_behind)
        ]
        texts = tf.TensorSpec([None], tf.string)
        # A function, so that the vocabulary is in the graph once.
        self._tokenise = tf.function(self._tokens, input_signature=[texts], autograph=False)

    def __call__(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
        """Tokenises marked texts.

        Args:
            texts: [batch] string.

        Returns:
            The tokens, [batch, (tokens)] int32; and 1 for those that are learned, 0 for others, of the same shape. A
            token is learned if any of its bytes is.
        """
        return self._tokenise(texts)

    def _tokens(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
        texts, learned = _without_learned_marks(texts)
        if self._in_texts:
            texts, learned = self._mark_in_texts(texts, learned)
        sections = self._sections(texts, learned)
        is_special = sections.special != _ORDINARY
        ordinary = sections.without(tf.gather(is_special, row_of_each(sections.characters)))
        if any(len(it) for it in self._takes_space):
            ordinary = ordinary.without(self._taken_space(ordinary))
        tokens, starts, ends = self._of_characters(ordinary.characters, sections.at_begin()[:-1])
        # How many learned characters stand before each; a token has some if there are more at its end.
        before = tf.concat([[0], tf.cumsum(tf.cast(ordinary.learned, tf.int32))], 0)
        flags = tf.cast(tf.gather(before, ends) > tf.gather(before, starts), tf.int32)
        special_learned = tf.math.unsorted_segment_max(
            tf.cast(sections.learned, tf.int32), row_of_each(sections.characters), tf.size(is_special)
        )
        of_tokens = ((tokens, sections.special), (tokens.with_values(flags), special_learned))
        values, learned = (with_last(rows, last, is_special) for rows, last in of_tokens)
        return joined(ragged(values, sections.row_splits)), joined(ragged(learned, sections.row_splits))

    def _mark_in_texts(self, texts: tf.RaggedTensor, learned: tf.Tensor) -> tuple[tf.RaggedTensor, tf.Tensor]:
        """Marks the strings that are tokens in any text, as if they were special."""
        strings = tf.strings.unicode_encode(texts, "UTF-8")
        # What is marked already is left as it is, with an empty mark behind it.
        strings = tf.strings.regex_replace(strings, self._in_texts, rf"\1{SPECIAL}\2{SPECIAL_END}")
        strings = tf.strings.regex_replace(strings, SPECIAL + SPECIAL_END, "")
        marked = tf.strings.unicode_decode(strings, "UTF-8")
        codes = marked.flat_values
        # All else is in its place.
        is_mark = _are_marks(codes)
        known = tf.gather(learned, places_of(~_are_marks(texts.flat_values)))
        number = tf.cumsum(tf.cast(~is_mark, tf.int32), exclusive=True)
        return marked, tf.gather(tf.concat([known, [False]], 0), number) & ~is_mark

    def _sections(self, texts: tf.RaggedTensor, learned: tf.Tensor) -> _Sections:
        """Divides texts at their marks, which go."""
        codes, splits = texts.flat_values, texts.row_splits
        is_mark = _are_marks(codes)
        # A section begins with each text and behind each mark.
        begins = tf.cumsum(tf.cast(is_mark, tf.int64), exclusive=True)
        begins = tf.concat([begins, [tf.reduce_sum(tf.cast(is_mark, tf.int64))]], 0)
        before = tf.gather(begins, splits) + tf.range(tf.size(splits, tf.int64))  # sections before each text
        count = before[-1]
        section = tf.gather(begins, tf.range(tf.size(codes))) + row_of_each(texts)
        opened = tf.gather(section, places_of(codes == _SPECIAL)) + 1
        is_marked = tf.scatter_nd(opened[:, tf.newaxis], tf.ones_like(opened, tf.int32), [count]) > 0
        kept = places_of(~is_mark)
        characters = in_rows(tf.gather(codes, kept), tf.gather(section, kept), count)
        names = tf.strings.unicode_encode(characters, "UTF-8")
        special = tf.where(is_marked, self._special(tf.where(is_marked, names, "")), _ORDINARY)
        return _Sections(characters, tf.gather(learned, kept), special, before)

    def _taken_space(self, sections: _Sections) -> tf.Tensor:
        """White space that a special token beside it takes, [characters] bool."""
        before, behind = (tf.reduce_any(sections.special[:, tf.newaxis] == tokens, 1) for tokens in self._takes_space)
        is_first = sections.at_begin()  # white space is taken within a text alone
        after_taker = later(behind) & ~is_first[:-1]
        before_taker = tf.concat([before[1:], [False]], 0) & ~is_first[1:]
        rows = row_of_each(sections.characters)
        others = tf.cast(kinds(sections.characters.flat_values) < BLANK, tf.int32)
        seen = tf.cumsum(others)
        of_section = tf.concat([[0], seen], 0)
        splits = sections.characters.row_splits
        at_begin = seen == tf.gather(tf.gather(of_section, splits[:-1]), rows)
        at_end = tf.gather(of_section, tf.range(tf.size(seen))) == tf.gather(tf.gather(of_section, splits[1:]), rows)
        return (at_begin & tf.gather(after_taker, rows)) | (at_end & tf.gather(before_taker, rows))


class _Sections(NamedTuple):
    """Texts, divided into special tokens and what stands between them.

    Attributes:
        characters: [sections, (characters)] int32.
        learned: [characters] bool.
        special: [sections] int32, the number of the special token; _ORDINARY for ordinary text.
        row_splits: [batch + 1] int64, where in the sections those of each text begin.
    """

    characters: tf.RaggedTensor
    learned: tf.Tensor
    special: tf.Tensor
    row_splits: tf.Tensor

    def at_begin(self) -> tf.Tensor:
        """Whether each section is the first of its text, [sections + 1] bool; true at their end too."""
        count = tf.size(self.special) + 1
        return tf.scatter_nd(self.row_splits[:, tf.newaxis], tf.ones_like(self.row_splits, tf.int32), [count]) > 0

    def without(self, dropped: tf.Tensor) -> _Sections:
        """The same without some characters; `dropped` is [characters] bool."""
        kept = places_of(~dropped)
        rows = tf.gather(row_of_each(self.characters), kept)
        characters = in_rows(tf.gather(self.characters.values, kept), rows, tf.size(self.special))
        return self._replace(characters=characters, learned=tf.gather(self.learned, kept))


def _without_learned_marks(texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.Tensor]:
    """The characters of marked texts without the marks of learning, and whether each is learned, [characters] bool."""
    characters = tf.strings.unicode_decode(texts, "UTF-8")
    codes, rows = characters.flat_values, row_of_each(characters)
    opens, closes = codes == _LEARNED, codes == _LEARNED_END
    depth = tf.cumsum(tf.cast(opens, tf.int32) - tf.cast(closes, tf.int32))
    kept = places_of(~(opens | closes))
    codes, rows, learned = (tf.gather(it, kept) for it in (codes, rows, depth > 0))
    characters = in_rows(codes, rows, tf.size(texts))
    return characters, learned


def _are_marks(codes: tf.Tensor) -> tf.Tensor:
    """Whether each character marks special tokens, [characters] bool."""
    return (codes == _SPECIAL) | (codes == _SPECIAL_END)


def _pattern(strings: object) -> str:
    """Pattern of a mark with all that is in it, or of one of some strings, the longest first; "" for none."""
    longest_first = sorted(strings, key=len, reverse=True)  # type: ignore[call-overload]
    found = "|".join(map(re.escape, longest_first))
    return rf"({SPECIAL}[^{SPECIAL_END}]*{SPECIAL_END})|({found})" if longest_first else ""
