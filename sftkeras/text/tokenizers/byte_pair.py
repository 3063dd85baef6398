"""Byte-level tokenizers as TensorFlow ops, equal token for token to Hugging Face's: RoBERTa's and those of decoders.

Own code rather than KerasHub's `BytePairTokenizer`, which splits words differently when it is called eagerly and inside
a graph, and remembers every word it has seen in a table. Every op below is linked into a stock TensorFlow Serving.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from sftkeras.errors import SFTError
from sftkeras.text.features.packing import Layout
from sftkeras.text.tokenizers.alignment import SPACE, align
from sftkeras.text.tokenizers.byte_words import ByteSplitting, split_characters, split_words
from sftkeras.text.tokenizers.characters import utf8_widths
from sftkeras.text.tokenizers.decoder_tokens import DecoderTokens
from sftkeras.text.tokenizers.letters import valid
from sftkeras.text.tokenizers.merging import Merges
from sftkeras.text.tokenizers.normal_forms import normalised
from sftkeras.text.tokenizers.rows import in_rows, joined, numbers_of_sizes, places_of, row_of_each, with_last
from sftkeras.text.tokenizers.string_table import StringTable
from sftkeras.text.tokenizers.tokenizer import Tokenizer

START, PAD, END = "<s>", "<pad>", "</s>"
_NO_TOKEN = -1


class BytePair(Tokenizer):
    """Splits texts into the byte pairs of a vocabulary.

    Special tokens written in a text, such as "</s>", are ordinary characters: a user cannot smuggle one in.

    Args:
        vocabulary: the number of each token, whose bytes are written as GPT-2 does: "Ġ" is a space.
        merges: left and right part of each merge, most important first.
        add_prefix_space: put a space before a text that begins with none, so that its first word is like any other.
        splitting: which characters are merged to tokens together.
        normal_form: the Unicode normal form that texts are brought to first, such as "NFC"; "" for none.
        whole_words: whether a word that is a token becomes this token, whatever the merges make of it.
        decoder: special tokens, for a decoder; None for an encoder, around whose texts RoBERTa's stand.

    Raises:
        SFTError: SFT352 if a special token or a byte is not in the vocabulary of an encoder, SFT380 if vocabulary and
            merges do not belong together. The vocabulary of a decoder may be without bytes that no text has; those of
            a text are dropped then.
    """

    def __init__(
        self,
        vocabulary: Mapping[str, int],
        merges: Sequence[tuple[str, str]],
        *,
        add_prefix_space: bool = False,
        splitting: ByteSplitting = "gpt2",
        normal_form: str = "",
        whole_words: bool = False,
        decoder: DecoderTokens | None = None,
    ) -> None:
        self.numbers = dict(vocabulary)
        self.merges = list(merges)
        self.add_prefix_space = add_prefix_space
        self.splitting = splitting
        self.normal_form = normal_form
        self.whole_words = whole_words
        self.decoder = decoder
        if decoder is None:
            for needed in (START, PAD, END, *BYTES):
                if needed not in self.numbers:
                    raise SFTError("SFT352", token=needed, size=len(self.numbers))
            self.pad_id, self.cls_id, self.sep_id = (self.numbers[special] for special in (PAD, START, END))
            self.layout = Layout(self.cls_id, self.sep_id, self.pad_id, ends_between=2, segments=False)
        else:
            self.pad_id = decoder.pad_id
        self.vocabulary = by_number(self.numbers)
        self._bytes = np.array([self.numbers.get(byte, _NO_TOKEN) for byte in BYTES], np.int32)
        # How many bytes each token has; special ones never come from a text.
        self._widths = np.array([len(token) for token in self.vocabulary], np.int32)
        self._merges = read_merges(self.numbers, self.merges, size=self.size)
        self._whole = _whole_words(self.numbers) if whole_words else None
        texts = tf.TensorSpec([None], tf.string)
        characters = tf.RaggedTensorSpec([None, None], tf.int32, ragged_rank=1)
        # Functions, so that the merges are in the graph once however often texts are tokenised.
        self._tokenise, self._locate, self._tokenise_characters = (
            tf.function(method, input_signature=[given], autograph=False)
            for method, given in ((self._tokens, texts), (self._spans, texts), (self._of_characters, characters))
        )

    @property
    def lacks_bytes(self) -> bool:
        """Whether some bytes are no tokens; those of a text are dropped."""
        return bool((self._bytes == _NO_TOKEN).any())

    @property
    def size(self) -> int:
        """Number of tokens."""
        return len(self.vocabulary)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of everything that decides the token numbers."""
        rules = [self.numbers, self.merges, self.add_prefix_space, tf_text.__version__]
        if self.decoder is not None:
            rules += [self.splitting, self.normal_form, self.whole_words, self.decoder.fingerprint]
        return hashlib.sha256(json.dumps(rules).encode()).hexdigest()

    def with_special(self, numbers: Mapping[str, int]) -> BytePair:
        """Return the same tokenizer of a decoder, for which marks may name these strings too."""
        assert self.decoder is not None
        return BytePair(
            {**self.numbers, **numbers},
            self.merges,
            add_prefix_space=self.add_prefix_space,
            splitting=self.splitting,
            normal_form=self.normal_form,
            whole_words=self.whole_words,
            decoder=replace(self.decoder, special={**self.decoder.special, **numbers}),
        )

    def pieces(self, numbers: np.ndarray) -> list[str]:
        """The tokens of these numbers."""
        return [self.vocabulary[number] for number in numbers]

    def token_bytes(self) -> list[bytes]:
        """The bytes that each token stands for; those of its string if it is not written as bytes."""
        return [token.encode() if (written := _bytes_of(token)) is None else written for token in self.vocabulary]

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokenises `texts` [batch] string into [batch, (tokens)] int32, without special tokens."""
        return self._tokenise(texts)

    def of_characters(
        self, characters: tf.RaggedTensor, at_begin: tf.Tensor
    ) -> tuple[tf.RaggedTensor, tf.Tensor, tf.Tensor]:
        """Tokenises texts that are given as characters; see `sftkeras.text.Tokenizer.of_characters`."""
        return self._tokenise_characters(characters)

    def with_offsets(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """Tokenises, and says where each token stands in its text.

        Returns:
            The tokens, as `__call__` gives them; and their starts and ends, [batch, (tokens)] int32, as indexes of the
            text's characters, without the white space around the token. A token of white space has start = end, and the
            tokens of a character that is cut into bytes have all its place.
        """
        return self._locate(texts)

    def _tokens(self, texts: tf.Tensor) -> tf.RaggedTensor:
        if self.normal_form:
            texts = tf_text.normalize_utf8(valid(texts), self.normal_form)
        return self._split(self._prefixed(texts))

    def _spans(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        prefixed = self._prefixed(texts)
        tokens = self._split(prefixed)
        text = row_of_each(tokens)
        widths = tokens.with_flat_values(tf.gather(self._widths, tokens.flat_values))
        text_begins = tf.cumsum(tf.reduce_sum(widths, 1), exclusive=True)
        ends = tf.cumsum(widths.flat_values) - tf.gather(text_begins, text)  # each byte is in one token
        places = align(prefixed, space=SPACE).spans(text, ends - widths.flat_values, ends)
        if self.add_prefix_space:
            added = tf.gather(tf.strings.length(prefixed) - tf.strings.length(texts), text)
            places = tuple(tf.maximum(place - added, 0) for place in places)
        return tokens, *(tokens.with_flat_values(place) for place in places)

    def _prefixed(self, texts: tf.Tensor) -> tf.Tensor:
        return tf.strings.regex_replace(texts, r"^([^ ])", r" \1") if self.add_prefix_space else texts

    def _split(self, texts: tf.Tensor) -> tf.RaggedTensor:
        words = split_words(texts, self.splitting)
        distinct, word = tf.unique(words.flat_values)
        return joined(words.with_values(tf.gather(self._merge(distinct)[0], word)))

    def _of_characters(self, characters: tf.RaggedTensor) -> tuple[tf.RaggedTensor, tf.Tensor, tf.Tensor]:
        if not self.normal_form:
            return self._of_normal(characters)
        normal, first, last = normalised(characters, self.normal_form)
        tokens, starts, ends = self._of_normal(normal)
        return tokens, tf.gather(first, starts), tf.gather(last, ends - 1)

    def _of_normal(self, characters: tf.RaggedTensor) -> tuple[tf.RaggedTensor, tf.Tensor, tf.Tensor]:
        words, begins = split_characters(characters, self.splitting)
        distinct, word = tf.unique(words.flat_values)
        merged, starts, ends = self._merge(distinct)
        tokens = tf.gather(merged, word)
        # Bytes are counted through all texts, and each is of a character.
        widths = utf8_widths(characters.flat_values)
        word_begins = tf.gather(tf.cumsum(widths, exclusive=True), begins)
        before = tf.gather(word_begins, row_of_each(tokens))
        of_byte = numbers_of_sizes(widths, tf.reduce_sum(widths))
        starts, ends = (before + tf.gather(merged.with_values(it), word).values for it in (starts, ends))
        tokens = joined(words.with_values(tokens))
        return tokens, tf.gather(of_byte, starts), tf.gather(of_byte, ends - 1) + 1

    def _merge(self, words: tf.Tensor) -> tuple[tf.RaggedTensor, tf.Tensor, tf.Tensor]:
        """The tokens of different `words` [words] string.

        Returns:
            [words, (tokens)] int32; and the byte of its word that each token begins at, and the one after its last,
            [tokens] int32.
        """
        if self._whole is None:
            return self._merge_bytes(words)
        whole = self._whole(words)
        is_whole = whole >= 0
        merged, starts, ends = self._merge_bytes(tf.where(is_whole, "", words))
        starts = with_last(merged.with_values(starts), tf.zeros_like(whole), is_whole).values
        ends = with_last(merged.with_values(ends), tf.strings.length(words), is_whole).values
        return with_last(merged, whole, is_whole), starts, ends

    def _merge_bytes(self, words: tf.Tensor) -> tuple[tf.RaggedTensor, tf.Tensor, tf.Tensor]:
        count, sizes = tf.size(words), tf.strings.length(words)
        values = tf.cast(tf.io.decode_raw(tf.strings.reduce_join(words), tf.uint8), tf.int32)
        tokens, word = tf.gather(self._bytes, values), numbers_of_sizes(sizes, tf.size(values))
        # Where in its word each byte is that is a token. As Hugging Face does, others are dropped before the merges.
        place = tf.range(tf.size(values)) - tf.gather(tf.cumsum(sizes, exclusive=True), word)
        if self.lacks_bytes:
            known = places_of(tokens != _NO_TOKEN)
            tokens, word, place = (tf.gather(it, known) for it in (tokens, word, place))
        tokens, word = self._merges(tokens, word)
        widths = tf.gather(self._widths, tokens)
        ends = tf.cumsum(widths)
        return (
            in_rows(tokens, word, count),
            tf.gather(place, ends - widths),
            tf.gather(place, ends - 1) + 1,
        )


def by_number(numbers: Mapping[str, int]) -> list[str]:
    """The tokens in the order of their numbers; "" where there is none."""
    vocabulary = [""] * (max(numbers.values(), default=-1) + 1)
    for token, number in numbers.items():
        vocabulary[number] = token
    return vocabulary


def read_merges(numbers: Mapping[str, int], merges: Sequence[tuple[str, str]], *, size: int) -> Merges:
    """Return the merges of a vocabulary.

    Raises:
        SFTError: SFT380 if they do not belong to it.
    """
    try:
        pairs = np.array([(numbers[left], numbers[right]) for left, right in merges], np.int64)
        merged = np.array([numbers[left + right] for left, right in merges], np.int32)
        return Merges(pairs, merged, size=size)
    except KeyError as error:
        raise SFTError("SFT380", problem=f"a merge needs {error.args[0]}, which is no token") from error
    except ValueError as error:
        raise SFTError("SFT380", problem=error) from error


def _byte_letters() -> tuple[str, ...]:
    """The letter that stands for each byte in a vocabulary of GPT-2's kind: itself where it can be seen."""
    visible = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
    others = [byte for byte in range(256) if byte not in visible]
    letters = {byte: chr(byte) for byte in visible} | {byte: chr(256 + n) for n, byte in enumerate(others)}
    return tuple(letters[byte] for byte in range(256))


BYTES = _byte_letters()
# What each letter becomes, and characters that are none and could be taken for a byte.
_BYTE = dict.fromkeys(range(256), 0xFFFF) | {ord(letter): byte for byte, letter in enumerate(BYTES)}


def _bytes_of(token: str) -> bytes | None:
    """The bytes that a token stands for; None if it is not written as bytes, as special ones are."""
    try:
        return token.translate(_BYTE).encode("latin-1")
    except UnicodeEncodeError:
        return None


def _whole_words(numbers: Mapping[str, int]) -> StringTable:
    """The tokens by their bytes; those that are not written as bytes are left out."""
    written = ((_bytes_of(token), number) for token, number in numbers.items())
    return StringTable({token: number for token, number in written if token is not None})
