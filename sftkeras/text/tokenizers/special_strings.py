"""A tokenizer for which some strings of a text are tokens of their own, such as the markers around an entity."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from sftkeras.text.tokenizers.letters import valid
from sftkeras.text.tokenizers.rows import joined, row_of_each, split, with_last
from sftkeras.text.tokenizers.tokenizer import Tokenizer

_NUL, _OTHER = r"\x{00}", "\x01"  # tf_text.regex_split_with_offsets 2.21 ends a text at NUL; both have one byte


def with_special_strings(tokenizer: Tokenizer, numbers: Mapping[str, int]) -> Tokenizer:
    """The same tokenizer, but that each of these strings in a raw text becomes the token of its number.

    They are found as they stand, letter by letter, before anything is done to the text; where two begin at one place,
    the longer one counts. What stands between them is tokenised as if it were a text of its own, which is what Hugging
    Face's tokenizers do around added tokens.

    Args:
        tokenizer: the tokenizer; one that knows such strings already gets these as well.
        numbers: the number of each string.

    Raises:
        ValueError: a string is empty, begins or ends with white space, or has a character that cannot be seen.
    """
    if isinstance(tokenizer, SpecialStrings):
        return SpecialStrings(tokenizer.tokenizer, {**tokenizer.numbers, **numbers})
    return SpecialStrings(tokenizer, numbers) if numbers else tokenizer


def without_special_strings(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer of everything else, or the one that is given if it knows no such strings."""
    return tokenizer.tokenizer if isinstance(tokenizer, SpecialStrings) else tokenizer


def is_usable(string: str) -> bool:
    """Whether a string can be a token: something that can be seen, without white space around it."""
    return bool(string) and string.strip() == string and string.isprintable()


class SpecialStrings(Tokenizer):
    """A tokenizer that knows special strings; made by `with_special_strings`.

    Args:
        tokenizer: of everything else.
        numbers: the number of each string.

    Raises:
        ValueError: a string cannot be a token.
    """

    def __init__(self, tokenizer: Tokenizer, numbers: Mapping[str, int]) -> None:
        if wrong := [string for string in numbers if not is_usable(string)]:
            raise ValueError(f"{wrong[0]!r} cannot be a token")
        self.tokenizer = tokenizer
        self.numbers = dict(numbers)
        self.pad_id, self.cls_id, self.sep_id = tokenizer.pad_id, tokenizer.cls_id, tokenizer.sep_id
        self.layout = tokenizer.layout
        self.resources = tokenizer.resources
        self._names = {number: string for string, number in self.numbers.items()}
        longest_first = sorted(self.numbers, key=len, reverse=True)
        self._pattern = "|".join(map(re.escape, longest_first))

    @property
    def size(self) -> int:
        """Number of tokens, numbers that none has included."""
        return max(self.tokenizer.size, 1 + max(self.numbers.values()))

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides the token numbers."""
        rules = [self.tokenizer.fingerprint, sorted(self.numbers.items()), tf_text.__version__]
        return hashlib.sha256(json.dumps(rules).encode()).hexdigest()

    def pieces(self, numbers: np.ndarray) -> list[str]:
        """The tokens of these numbers; "" for one that none has."""
        known = self.tokenizer.size
        others = iter(self.tokenizer.pieces(np.array([it for it in numbers if it not in self._names and it < known])))
        return [self._names[it] if it in self._names else next(others) if it < known else "" for it in numbers]

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokenises `texts` [batch] string into [batch, (tokens)] int32, without the tokens around a text."""
        found = self._divide(texts)
        return found.in_texts(found.beside(self.tokenizer(found.ordinary), found.numbers))

    def with_offsets(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """Tokenises as `__call__`; see `sftkeras.text.Tokenizer.with_offsets`."""
        found = self._divide(texts)
        tokens, starts, ends = self.tokenizer.with_offsets(found.ordinary)
        sizes = tf.strings.length(found.pieces.flat_values, unit="UTF8_CHAR")  # [pieces]
        before = tf.cumsum(sizes, exclusive=True)  # characters, of all texts
        first = tf.gather(tf.concat([before, [0]], 0), found.pieces.row_starts())  # an empty text has no pieces
        before -= tf.gather(first, row_of_each(found.pieces))
        of_token = tf.gather(before, row_of_each(starts))
        starts, ends = (places.with_flat_values(places.flat_values + of_token) for places in (starts, ends))
        return (
            found.in_texts(found.beside(tokens, found.numbers)),
            found.in_texts(found.beside(starts, before)),
            found.in_texts(found.beside(ends, before + sizes)),
        )

    def with_ideographs_apart(self) -> Tokenizer:
        """The same strings, before a tokenizer whose tokens do not span two Chinese characters."""
        return with_special_strings(self.tokenizer.with_ideographs_apart(), self.numbers)

    def _divide(self, texts: tf.Tensor) -> _Divided:
        """Finds the special strings in texts [batch] string."""
        texts = valid(texts)
        searched = tf.strings.regex_replace(texts, _NUL, _OTHER)
        pieces, begins, ends = split(searched, self._pattern, self._pattern)
        of_text = tf.gather(texts, row_of_each(pieces))
        pieces = pieces.with_flat_values(tf.strings.substr(of_text, begins.flat_values, (ends - begins).flat_values))
        is_string = tf.equal(pieces.flat_values[:, tf.newaxis], tf.constant([*self.numbers]))  # [pieces, strings]
        which = tf.argmax(is_string, axis=1, output_type=tf.int32)
        numbers = tf.gather(tf.constant([*self.numbers.values()], tf.int32), which)
        return _Divided(pieces, tf.reduce_any(is_string, axis=1), numbers)


class _Divided(NamedTuple):
    """Texts, divided at the special strings.

    Attributes:
        pieces: [batch, (pieces)] string; joined, they are the texts.
        special: [pieces] bool, whether it is a special string.
        numbers: [pieces] int32, the number of it; anything for other pieces.
    """

    pieces: tf.RaggedTensor
    special: tf.Tensor
    numbers: tf.Tensor

    @property
    def ordinary(self) -> tf.Tensor:
        """Pieces left to the tokenizer, [pieces] string: nothing of the special strings."""
        return tf.where(self.special, "", self.pieces.flat_values)

    def beside(self, of_tokens: tf.RaggedTensor, of_pieces: tf.Tensor) -> tf.RaggedTensor:
        """Values of the tokenizer's tokens, [pieces, (tokens)], and that of each special piece, for its one token."""
        return with_last(of_tokens, of_pieces, self.special)

    def in_texts(self, of_pieces: tf.RaggedTensor) -> tf.RaggedTensor:
        """Turn values of pieces, [pieces, (tokens)], into those of texts: [batch, (tokens)]."""
        return joined(self.pieces.with_values(of_pieces))
