"""BERT's WordPiece tokenizer as TensorFlow ops, equal token for token to Hugging Face's, or to that of TF-Hub modules.

The two differ in rare characters: TF-Hub's preprocessors fold case where BERT lowers it ("ß" becomes "ss"), split
words at control characters where BERT drops them, and measure a word in bytes. Own code rather than
`keras_hub.tokenizers.WordPieceTokenizer`, which is neither and has another code path when called eagerly. Every op
below is linked into a stock TensorFlow Serving.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from sftkeras.errors import SFTError
from sftkeras.text.alignment import align
from sftkeras.text.letters import lower, valid
from sftkeras.text.packing import Layout

Rules = Literal["hugging_face", "tensorflow_text"]

# Unicode classes as BERT's reference tokenizer defines them, in RE2's notation.
_SPACE = r"[\t\n\r\p{Z}]"
_CONTROL = r"[\p{C}\x{FFFD}]"
_CJK = (
    r"([\x{4E00}-\x{9FFF}]|[\x{3400}-\x{4DBF}]|[\x{20000}-\x{2A6DF}]|[\x{2A700}-\x{2B73F}]|[\x{2B740}-\x{2B81F}]"
    r"|[\x{2B820}-\x{2CEAF}]|[\x{F900}-\x{FAFF}]|[\x{2F800}-\x{2FA1F}])"
)
_ACCENT = r"\p{Mn}"
_PUNCTUATION = r"[!-/]|[:-@]|[\[-`]|[{-~]|\p{P}"

_LONGEST_WORD = 100  # BERT maps longer words to [UNK]; Hugging Face counts characters, tensorflow_text bytes
_NOT_A_WORD = "\uffff"  # a noncharacter: in no vocabulary, so it becomes [UNK]


class WordPiece:
    """Splits texts into the word pieces of a vocabulary.

    Special tokens written in a text, such as "[SEP]", are ordinary characters: a user cannot smuggle one in.

    Args:
        vocabulary: the word pieces; a piece's position is its number.
        lowercase: lower the text first.
        strip_accents: drop accents first; None does so when `lowercase`, as Hugging Face does.
        split_cjk: make every CJK ideograph a word of its own.
        rules: whose tokenizer it equals, Hugging Face's or `tf_text.BertTokenizer`, which the public preprocessors on
            TF-Hub are. The latter drops accents where it lowers, and always splits CJK.

    Raises:
        SFTError: SFT352 if a special token is not in the vocabulary.
    """

    def __init__(
        self,
        vocabulary: Sequence[str],
        *,
        lowercase: bool,
        strip_accents: bool | None = None,
        split_cjk: bool = True,
        rules: Rules = "hugging_face",
    ) -> None:
        self.vocabulary = list(vocabulary)
        self.lowercase = lowercase
        self.strip_accents = lowercase if strip_accents is None else strip_accents
        self.split_cjk = split_cjk
        self.rules = rules
        numbers = {piece: number for number, piece in enumerate(self.vocabulary)}
        for special in ("[PAD]", "[UNK]", "[CLS]", "[SEP]"):
            if special not in numbers:
                raise SFTError("SFT352", token=special, size=len(self.vocabulary))
        self._pieces = tf_text.FastWordpieceTokenizer(
            self.vocabulary,
            token_out_type=tf.int32,
            max_bytes_per_word=_LONGEST_WORD if rules == "tensorflow_text" else 4 * _LONGEST_WORD,
            no_pretokenization=True,
            support_detokenization=False,
        )
        self.pad_id, self.cls_id, self.sep_id = (numbers[special] for special in ("[PAD]", "[CLS]", "[SEP]"))
        self.layout = Layout(self.cls_id, self.sep_id, self.pad_id)

    @property
    def size(self) -> int:
        """How many word pieces there are."""
        return len(self.vocabulary)

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides the token numbers."""
        settings = [self.lowercase, self.strip_accents, self.split_cjk, self.rules]
        return hashlib.sha256(json.dumps([self.vocabulary, settings, tf_text.__version__]).encode()).hexdigest()

    def pieces(self, numbers: np.ndarray) -> list[str]:
        """The word pieces of these numbers."""
        return [self.vocabulary[number] for number in numbers]

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokenises `texts` [batch] string into [batch, (pieces)] int32, without special tokens."""
        return self._pieces.tokenize(self._words(self._rewrite(valid(texts))).known).merge_dims(-2, -1)

    def with_offsets(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """Tokenises as `__call__`; see `sftkeras.text.Tokenizer.with_offsets`."""
        texts = valid(texts)
        words = self._words(self._rewrite(texts))
        pieces, begins, ends = self._pieces.tokenize_with_offsets(words.known.flat_values)
        word = pieces.value_rowids()
        word_begins = tf.gather(words.begins, word)
        # A word too long was split under another name, but spans what it did.
        ends = tf.where(tf.gather(words.too_long, word), tf.gather(words.ends, word), word_begins + ends.values)
        rows = tf.gather(words.known.value_rowids(), word)
        starts, ends = align(texts, self._rewrite).spans(rows, word_begins + begins.values, ends)
        tokens = words.known.with_flat_values(pieces).merge_dims(-2, -1)
        return tokens, tokens.with_values(starts), tokens.with_values(ends)

    def _rewrite(self, texts: tf.Tensor) -> tf.Tensor:
        """What is done to texts [n] string before they are split into words, character by character."""
        if self.rules == "tensorflow_text":
            return _tensorflow_text_rewrite(texts, self.lowercase)
        texts = tf.strings.regex_replace(texts, _SPACE, " ")
        texts = tf.strings.regex_replace(texts, _CONTROL, "")
        if self.split_cjk:
            texts = tf.strings.regex_replace(texts, _CJK, r" \1 ")
        if self.strip_accents:
            texts = tf.strings.regex_replace(tf_text.normalize_utf8(texts, "NFD"), _ACCENT, "")
        if self.lowercase:
            texts = lower(texts, decomposed=self.strip_accents)
        return texts

    def _words(self, texts: tf.Tensor) -> _Words:
        """Splits rewritten texts [batch] string."""
        kept = f"{_PUNCTUATION}|{_CJK}" if self.rules == "tensorflow_text" else _PUNCTUATION
        words, begins, ends = tf_text.regex_split_with_offsets(texts, rf"\s+|{kept}", keep_delim_regex_pattern=kept)
        if self.rules == "tensorflow_text":  # which finds long words itself
            too_long = tf.zeros_like(begins.flat_values, tf.bool)
        else:
            too_long = tf.strings.length(words.flat_values, unit="UTF8_CHAR") > _LONGEST_WORD
        known = words.with_flat_values(tf.where(too_long, _NOT_A_WORD, words.flat_values))
        return _Words(known, too_long, begins.flat_values, ends.flat_values)


class _Words(NamedTuple):
    """The words of some texts.

    Attributes:
        known: [batch, (words)] string, those that are too long replaced by one that is in no vocabulary.
        too_long: [words] bool.
        begins: [words] int64, the first byte of each word in its text.
        ends: [words] int64, the byte after its last.
    """

    known: tf.RaggedTensor
    too_long: tf.Tensor
    begins: tf.Tensor
    ends: tf.Tensor


def _tensorflow_text_rewrite(texts: tf.Tensor, lowercase: bool) -> tf.Tensor:
    """As `tf_text.BertTokenizer`, which wants a lookup table where we have a list of pieces."""
    if lowercase:
        texts = tf_text.normalize_utf8(tf_text.case_fold_utf8(texts), "NFD")
        texts = tf.strings.regex_replace(texts, _ACCENT, "")
    return tf.strings.regex_replace(texts, r"\p{Cc}|\p{Cf}", " ")
