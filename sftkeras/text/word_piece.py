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
from typing import Literal

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from sftkeras.errors import SFTError
from sftkeras.text.letters import lower

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
        if self.rules == "tensorflow_text":
            words = _tensorflow_text_words(texts, self.lowercase)
        else:
            words = _without_long_words(self._words(self._normalise(texts)))
        return self._pieces.tokenize(words).merge_dims(-2, -1)

    def _normalise(self, texts: tf.Tensor) -> tf.Tensor:
        texts = tf.strings.regex_replace(texts, _SPACE, " ")
        texts = tf.strings.regex_replace(texts, _CONTROL, "")
        if self.split_cjk:
            texts = tf.strings.regex_replace(texts, _CJK, r" \1 ")
        if self.strip_accents:
            texts = tf.strings.regex_replace(tf_text.normalize_utf8(texts, "NFD"), _ACCENT, "")
        if self.lowercase:
            texts = lower(texts, decomposed=self.strip_accents)
        return texts

    @staticmethod
    def _words(texts: tf.Tensor) -> tf.RaggedTensor:
        return tf_text.regex_split(texts, rf"\s+|{_PUNCTUATION}", keep_delim_regex_pattern=_PUNCTUATION)


def _without_long_words(words: tf.RaggedTensor) -> tf.RaggedTensor:
    too_long = tf.strings.length(words.flat_values, unit="UTF8_CHAR") > _LONGEST_WORD
    return words.with_flat_values(tf.where(too_long, _NOT_A_WORD, words.flat_values))


def _tensorflow_text_words(texts: tf.Tensor, lowercase: bool) -> tf.RaggedTensor:
    """The words of `tf_text.BertTokenizer`, which wants a lookup table where we have a list of pieces."""
    if lowercase:
        texts = tf_text.normalize_utf8(tf_text.case_fold_utf8(texts), "NFD")
        texts = tf.strings.regex_replace(texts, _ACCENT, "")
    texts = tf.strings.regex_replace(texts, r"\p{Cc}|\p{Cf}", " ")
    kept = f"{_PUNCTUATION}|{_CJK}"
    return tf_text.regex_split(texts, rf"\s+|{kept}", keep_delim_regex_pattern=kept)
