"""RoBERTa's byte-level tokenizer as TensorFlow ops, equal token for token to Hugging Face's.

Own code rather than KerasHub's `BytePairTokenizer`, which splits words differently when it is called eagerly and inside
a graph, and remembers every word it has seen in a table. Every op below is linked into a stock TensorFlow Serving.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from sftkeras.errors import SFTError
from sftkeras.text.features.packing import Layout
from sftkeras.text.tokenizers.alignment import SPACE, align
from sftkeras.text.tokenizers.gpt_words import split_words
from sftkeras.text.tokenizers.merging import Merges
from sftkeras.text.tokenizers.rows import joined, ragged, row_of_each
from sftkeras.text.tokenizers.tokenizer import Tokenizer

START, PAD, END = "<s>", "<pad>", "</s>"


class BytePair(Tokenizer):
    """Splits texts into the byte pairs of a vocabulary.

    Special tokens written in a text, such as "</s>", are ordinary characters: a user cannot smuggle one in.

    Args:
        vocabulary: the number of each token, whose bytes are written as GPT-2 does: "Ġ" is a space.
        merges: left and right part of each merge, most important first.
        add_prefix_space: put a space before a text that begins with none, so that its first word is like any other.

    Raises:
        SFTError: SFT352 if a special token or a byte is not in the vocabulary, SFT380 if vocabulary and merges do not
            belong together.
    """

    def __init__(
        self, vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]], *, add_prefix_space: bool = False
    ) -> None:
        self.numbers = dict(vocabulary)
        self.merges = list(merges)
        self.add_prefix_space = add_prefix_space
        for needed in (START, PAD, END, *BYTES):
            if needed not in self.numbers:
                raise SFTError("SFT352", token=needed, size=len(self.numbers))
        self.pad_id, self.cls_id, self.sep_id = (self.numbers[special] for special in (PAD, START, END))
        self.layout = Layout(self.cls_id, self.sep_id, self.pad_id, ends_between=2, segments=False)
        self.vocabulary = [""] * (max(self.numbers.values()) + 1)
        for token, number in self.numbers.items():
            self.vocabulary[number] = token
        self._bytes = np.array([self.numbers[byte] for byte in BYTES], np.int32)
        # How many bytes each token has; special ones never come from a text.
        self._widths = np.array([len(token) for token in self.vocabulary], np.int32)
        try:
            pairs = [(self.numbers[left], self.numbers[right]) for left, right in self.merges]
            merged = [self.numbers[left + right] for left, right in self.merges]
            self._merges = Merges(pairs, merged, size=self.size)
        except KeyError as error:
            raise SFTError("SFT380", problem=f"a merge needs {error.args[0]}, which is no token") from error
        except ValueError as error:
            raise SFTError("SFT380", problem=error) from error
        texts = tf.TensorSpec([None], tf.string)
        # Functions, so that the merges are in the graph once however often texts are tokenised.
        self._tokenise, self._locate = (
            tf.function(method, input_signature=[texts], autograph=False) for method in (self._tokens, self._spans)
        )

    @property
    def size(self) -> int:
        """How many tokens there are."""
        return len(self.vocabulary)

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides the token numbers."""
        rules = [self.numbers, self.merges, self.add_prefix_space, tf_text.__version__]
        return hashlib.sha256(json.dumps(rules).encode()).hexdigest()

    def pieces(self, numbers: np.ndarray) -> list[str]:
        """The tokens of these numbers."""
        return [self.vocabulary[number] for number in numbers]

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokenises `texts` [batch] string into [batch, (tokens)] int32, without special tokens."""
        return self._tokenise(texts)

    def with_offsets(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """Tokenises, and says where each token stands in its text.

        Returns:
            The tokens, as `__call__` gives them; and their starts and ends, [batch, (tokens)] int32, as indexes of the
            text's characters, without the white space around the token. A token of white space has start = end, and the
            tokens of a character that is cut into bytes have all its place.
        """
        return self._locate(texts)

    def _tokens(self, texts: tf.Tensor) -> tf.RaggedTensor:
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
        words = split_words(texts)
        distinct, word = tf.unique(words.flat_values)
        return joined(words.with_values(tf.gather(self._merge(distinct), word)))

    def _merge(self, words: tf.Tensor) -> tf.RaggedTensor:
        """The tokens of `words` [words] string, [words, (tokens)] int32."""
        count = tf.size(words)
        values = tf.cast(tf.io.decode_raw(tf.strings.reduce_join(words), tf.uint8), tf.int32)
        ends = tf.cumsum(tf.cast(tf.strings.length(words), tf.int64))
        word = tf.cast(row_of_each(ragged(values, tf.concat([[0], ends], 0))), tf.int32)
        tokens, word = self._merges(tf.gather(self._bytes, values), word)
        return tf.RaggedTensor.from_value_rowids(
            tokens, tf.cast(word, tf.int64), tf.cast(count, tf.int64), validate=False
        )


def _byte_letters() -> tuple[str, ...]:
    """The letter that stands for each byte in a vocabulary of GPT-2's kind: itself where it can be seen."""
    visible = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
    others = [byte for byte in range(256) if byte not in visible]
    letters = {byte: chr(byte) for byte in visible} | {byte: chr(256 + n) for n, byte in enumerate(others)}
    return tuple(letters[byte] for byte in range(256))


BYTES = _byte_letters()
