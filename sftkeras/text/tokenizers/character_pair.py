"""SentencePiece's BPE with byte fallback as TensorFlow ops, equal token for token to Hugging Face's.

Llama 1 and 2, TinyLlama, Mistral, Phi-3 and Gemma have it. Characters are merged to pieces, through a whole text rather
than word by word; a character that is no piece becomes the tokens of its bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Literal

import numpy as np
import tensorflow as tf

from sftkeras.errors import SFTError
from sftkeras.text.tokenizers.byte_pair import by_number, read_merges
from sftkeras.text.tokenizers.characters import CharacterTable, later, opens, utf8_widths
from sftkeras.text.tokenizers.decoder_tokens import DecoderTokens
from sftkeras.text.tokenizers.rows import (
    first_at_least,
    in_rows,
    joined,
    numbers_of_sizes,
    places_of,
    ragged,
    row_of_each,
    with_first,
)
from sftkeras.text.tokenizers.tokenizer import Tokenizer

SPACE = "▁"  # what stands for " " in a vocabulary
BYTE_TOKENS = tuple(f"<0x{byte:02X}>" for byte in range(256))
_BLANK, _SPACE = ord(" "), ord(SPACE)
_NO_TOKEN = -1
_CODE_BITS = 21  # of a character

Prefix = Literal["never", "always", "unless space", "first"]
"""Rule that puts a space before a text: before none; before any that is not empty; unless it begins with one; or only
where, besides, no special token stands before it."""


class CharacterPair(Tokenizer):
    """Splits texts into the pieces of a decoder's vocabulary.

    Args:
        vocabulary: the number of each piece, "▁" for a space.
        merges: left and right part of each merge, most important first.
        prefix: where a space is put before a text.
        spaces_apart: whether each space begins a word, within which pieces are merged.
        strips_first_space: whether a text that comes back from tokens loses the space that it begins with.
        decoder: special tokens.

    Raises:
        SFTError: SFT352 if the token of a byte is not in the vocabulary, SFT380 if vocabulary and merges do not belong
            together.
    """

    def __init__(
        self,
        vocabulary: Mapping[str, int],
        merges: Sequence[tuple[str, str]],
        *,
        prefix: Prefix = "never",
        spaces_apart: bool = False,
        strips_first_space: bool = False,
        decoder: DecoderTokens,
    ) -> None:
        self.numbers = dict(vocabulary)
        self.merges = list(merges)
        self.prefix = prefix
        self.spaces_apart = spaces_apart
        self.strips_first_space = strips_first_space
        self.decoder = decoder
        self.pad_id = decoder.pad_id
        for needed in BYTE_TOKENS:
            if needed not in self.numbers:
                raise SFTError("SFT352", token=needed, size=len(self.numbers))
        self.vocabulary = by_number(self.numbers)
        self._merges = read_merges(self.numbers, self.merges, size=self.size)
        self._bytes = np.array([self.numbers[token] for token in BYTE_TOKENS], np.int32)
        self._widths = np.array([len(token) for token in self.vocabulary], np.int32)  # in characters
        self._widths[self._bytes] = 1
        self._pairs = _neighbours([left + right for left, right in self.merges])
        self._pieces = CharacterTable(_of_characters(self.numbers))
        joins_space = np.zeros(0x110000, bool)
        joins_space[(self._pairs[self._pairs & _LAST_CODE == _SPACE] >> _CODE_BITS).astype(np.int64)] = True
        joins_space[_SPACE] = True
        self._joins_space = CharacterTable(joins_space)
        characters = tf.RaggedTensorSpec([None, None], tf.int32, ragged_rank=1)
        # A function, so that the merges are in the graph once however often texts are tokenised.
        self._tokenise = tf.function(
            self._of_characters, input_signature=[characters, tf.TensorSpec([None], tf.bool)], autograph=False
        )

    @property
    def size(self) -> int:
        """Number of tokens."""
        return len(self.vocabulary)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of everything that decides the token numbers."""
        rules = [self.numbers, self.merges, self.prefix, self.spaces_apart, self.decoder and self.decoder.fingerprint]
        return hashlib.sha256(json.dumps(rules).encode()).hexdigest()

    def with_special(self, numbers: Mapping[str, int]) -> CharacterPair:
        """Return the same tokenizer, for which marks may name these strings too."""
        assert self.decoder is not None
        return CharacterPair(
            {**self.numbers, **numbers},
            self.merges,
            prefix=self.prefix,
            spaces_apart=self.spaces_apart,
            strips_first_space=self.strips_first_space,
            decoder=replace(self.decoder, special={**self.decoder.special, **numbers}),
        )

    def pieces(self, numbers: np.ndarray) -> list[str]:
        """The tokens of these numbers."""
        return [self.vocabulary[number] for number in numbers]

    def token_bytes(self) -> list[bytes]:
        """The bytes that each token stands for."""
        texts = [piece.replace(SPACE, " ").encode() for piece in self.vocabulary]
        for byte, number in enumerate(self._bytes):
            texts[number] = bytes([byte])
        return texts

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokenises `texts` [batch] string into [batch, (tokens)] int32, without special tokens."""
        return self.of_characters(tf.strings.unicode_decode(texts, "UTF-8"), tf.ones_like(texts, tf.bool))[0]

    def of_characters(
        self, characters: tf.RaggedTensor, at_begin: tf.Tensor
    ) -> tuple[tf.RaggedTensor, tf.Tensor, tf.Tensor]:
        """Tokenises texts that are given as characters; see `sftkeras.text.Tokenizer.of_characters`."""
        return self._tokenise(characters, at_begin)

    def _of_characters(
        self, characters: tf.RaggedTensor, at_begin: tf.Tensor
    ) -> tuple[tf.RaggedTensor, tf.Tensor, tf.Tensor]:
        characters, sources = self._spaced(characters, at_begin)
        words = self._words(characters)  # [texts, (words), (characters)]
        strings = tf.strings.unicode_encode(words.values, "UTF-8")
        distinct, word = tf.unique(strings)
        merged, starts, ends = self._merge(distinct)
        tokens, starts, ends = (tf.gather(merged.with_values(it), word) for it in (merged.values, starts, ends))
        before = tf.gather(tf.cast(words.values.row_splits, tf.int32), row_of_each(tokens))
        first, last = tf.gather(sources, before + starts.values), tf.gather(sources, before + ends.values - 1)
        return joined(words.with_values(tokens)), first, last + 1

    def _spaced(self, characters: tf.RaggedTensor, at_begin: tf.Tensor) -> tuple[tf.RaggedTensor, tf.Tensor]:
        """Writes spaces as the vocabulary does, with those before texts; also gives the character each comes from."""
        codes = characters.values
        characters = characters.with_values(tf.where(codes == _BLANK, _SPACE, codes))
        sources = tf.range(tf.size(codes))
        if self.prefix == "never":
            return characters, sources
        begins = characters.row_starts()
        gets = characters.row_lengths() > 0
        if self.prefix != "always":
            gets &= tf.gather(tf.concat([characters.values, [_SPACE]], 0), begins) != _SPACE
        if self.prefix == "first":
            gets &= at_begin
        spaces = tf.fill(tf.shape(begins), _SPACE)
        sources = with_first(characters.with_values(sources), tf.cast(begins, tf.int32), gets).values
        return with_first(characters, spaces, gets), sources

    def _words(self, characters: tf.RaggedTensor) -> tf.RaggedTensor:
        """Divides texts before spaces, where no merge reaches across: [texts, (words), (characters)]."""
        codes, splits = characters.values, characters.row_splits
        begins = codes == _SPACE
        if not self.spaces_apart:
            begins &= ~self._joins_space(later(codes))
        begins |= opens(splits, tf.size(codes))[:-1]
        before = tf.concat([[0], tf.cumsum(tf.cast(begins, tf.int64))], 0)  # words before each character
        words = ragged(codes, tf.concat([places_of(begins), splits[-1:]], 0))
        return ragged(words, tf.gather(before, splits))

    def _merge(self, words: tf.Tensor) -> tuple[tf.RaggedTensor, tf.Tensor, tf.Tensor]:
        """The tokens of different `words` [words] string.

        Returns:
            [words, (tokens)] int32; and the character of its word that each token begins in, and the one after that
            which it ends in, [tokens] int32.
        """
        characters = tf.strings.unicode_decode(words, "UTF-8")
        codes, word = characters.values, row_of_each(characters)
        place = tf.range(tf.size(codes)) - tf.gather(tf.cast(characters.row_splits, tf.int32), word)
        tokens = self._pieces(codes)
        # Merges stay within runs of characters of which some token has each two neighbours.
        keys = tf.bitwise.left_shift(tf.cast(later(codes), tf.int64), _CODE_BITS) + tf.cast(codes, tf.int64)
        found = tf.gather(self._pairs, first_at_least(self._pairs, keys)) == keys
        run = tf.cumsum(tf.cast(~found | (word != later(word)), tf.int32))
        tokens, of_character = _with_bytes(codes, tokens, self._bytes)
        run, word, place = (tf.gather(it, of_character) for it in (run, word, place))
        merged, _ = self._merges(tokens, run)
        ends = tf.cumsum(tf.gather(self._widths, merged))  # in characters, or in bytes of those that are no piece
        starts = ends - tf.gather(self._widths, merged)
        rows = in_rows(merged, tf.gather(word, starts), tf.size(words))
        return rows, tf.gather(place, starts), tf.gather(place, ends - 1) + 1


_LAST_CODE = (1 << _CODE_BITS) - 1


def _with_bytes(codes: tf.Tensor, tokens: tf.Tensor, of_bytes: np.ndarray) -> tuple[tf.Tensor, tf.Tensor]:
    """Puts the tokens of its bytes in place of a character that is no piece.

    Returns:
        The tokens; and the number of the character that each is of.
    """
    is_piece = tokens != _NO_TOKEN
    sizes = utf8_widths(codes)
    counts = tf.where(is_piece, 1, sizes)
    of_character = numbers_of_sizes(counts, tf.reduce_sum(counts))
    begins = tf.cumsum(counts, exclusive=True)
    number = tf.range(tf.size(of_character)) - tf.gather(begins, of_character)
    size, code = tf.gather(sizes, of_character), tf.gather(codes, of_character)
    # The first byte has the highest bits, and as many ones before them as there are bytes; the others have six bits.
    bits = tf.bitwise.right_shift(code, 6 * (size - 1 - number))
    lead = tf.gather(tf.constant([0, 0, 0xC0, 0xE0, 0xF0]), size)
    byte = tf.where(number == 0, lead + bits, 0x80 + tf.bitwise.bitwise_and(bits, 0x3F))
    of_byte = tf.gather(of_bytes, tf.clip_by_value(byte, 0, 255))
    return tf.where(tf.gather(is_piece, of_character), tf.gather(tokens, of_character), of_byte), of_character


def _neighbours(pieces: Sequence[str]) -> np.ndarray:
    """Each two characters that stand side by side in some piece, as one number, ascending, with one that none has."""
    codes = np.frombuffer("".join(pieces).encode("utf-32-le"), np.uint32).astype(np.int64)
    lengths = np.fromiter(map(len, pieces), np.int64, len(pieces))
    inner = np.ones(len(codes), bool)
    inner[np.cumsum(lengths) - lengths] = False  # the first of a piece has none before it
    inner[:1] = False
    right = np.flatnonzero(inner)
    return np.append(np.unique((codes[right - 1] << _CODE_BITS) + codes[right]), np.iinfo(np.int64).max)


def _of_characters(numbers: Mapping[str, int]) -> np.ndarray:
    """The number of each character that is a piece, [1114112] int32."""
    found = np.full(0x110000, _NO_TOKEN, np.int32)
    for piece, number in numbers.items():
        if len(piece) == 1:
            found[ord(piece)] = number
    return found
