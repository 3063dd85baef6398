"""BERT's WordPiece tokenizer as TensorFlow ops, equal token for token to Hugging Face's, or to that of TF-Hub modules.

The two differ in rare characters: TF-Hub's preprocessors fold case where BERT lowers it ("ß" becomes "ss"), split
words at control characters where BERT drops them, and measure a word in bytes. Own code rather than
`keras_hub.tokenizers.WordPieceTokenizer`, which is neither and has another code path when called eagerly. Every op
below is linked into a stock TensorFlow Serving.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any, Literal, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from sftkeras.errors import SFTError
from sftkeras.text.features.packing import Layout
from sftkeras.text.tokenizers.alignment import align
from sftkeras.text.tokenizers.letters import valid
from sftkeras.text.tokenizers.rows import joined, row_of_each, split
from sftkeras.text.tokenizers.tokenizer import Tokenizer
from sftkeras.text.tokenizers.word_rules import CJK, NONSPACING_MARK, PUNCTUATION, WordRules

Rules = Literal["hugging_face", "tensorflow_text"]

_LONGEST_WORD = 100  # BERT maps longer words to [UNK]; Hugging Face counts characters, tensorflow_text bytes
_NOT_A_WORD = "\uffff"  # a noncharacter: in no vocabulary, so it becomes [UNK]
# Noncharacters too, which no rule splits, stand for the added tokens that were found in a text.
_STAND_INS = [chr(code) for code in range(0xFDD0, 0xFDF0)]
_STAND_IN = rf"[\x{{{ord(_STAND_INS[0]):X}}}-\x{{{ord(_STAND_INS[-1]):X}}}]"


class WordPiece(Tokenizer):
    """Splits texts into the word pieces of a vocabulary.

    Special tokens written in a text, such as "[SEP]", are ordinary characters: a user cannot smuggle one in.

    Args:
        vocabulary: the word pieces; a piece's position is its number.
        lowercase: lower the text first.
        strip_accents: drop accents first; None does so when `lowercase`, as Hugging Face does.
        split_cjk: make every CJK ideograph a word of its own.
        rules: whose tokenizer it equals, Hugging Face's or `tf_text.BertTokenizer`, which the public preprocessors on
            TF-Hub are. The latter drops accents where it lowers, and always splits CJK. Or the steps of a tokenizer of
            Hugging Face's that is not BERT's, in place of the settings before.
        added: the number of each string that is a token wherever a rewritten text has it, itself rewritten: what
            Hugging Face calls added tokens that are normalized. Not with the rules of tensorflow_text.

    Raises:
        SFTError: SFT352 if a special token is not in the vocabulary.
    """

    def __init__(
        self,
        vocabulary: Sequence[str],
        *,
        lowercase: bool = False,
        strip_accents: bool | None = None,
        split_cjk: bool = True,
        rules: Rules | WordRules = "hugging_face",
        added: Mapping[str, int] | None = None,
    ) -> None:
        self.vocabulary = list(vocabulary)
        self.lowercase = lowercase
        self.strip_accents = lowercase if strip_accents is None else strip_accents
        self.split_cjk = split_cjk
        self.rules = rules
        self.added = dict(added or {})
        if isinstance(rules, WordRules):
            self._steps = rules
            self.lowercase = "Lowercase" in rules.rewriting
        else:
            self._steps = WordRules.of_bert(lowercase=lowercase, strip_accents=self.strip_accents, split_cjk=split_cjk)
        self._names = dict(enumerate(self.vocabulary)) | {number: string for string, number in self.added.items()}
        numbers = {piece: number for number, piece in enumerate(self.vocabulary)}
        for special in ("[PAD]", "[UNK]", "[CLS]", "[SEP]"):
            if special not in numbers:
                raise SFTError("SFT352", token=special, size=len(self.vocabulary))
        self._found = _AddedTokens.of(self.added, self._rewrite)
        self._pieces = tf_text.FastWordpieceTokenizer(
            [*self.vocabulary, *self._found.stand_ins],
            token_out_type=tf.int32,
            max_bytes_per_word=_LONGEST_WORD if rules == "tensorflow_text" else 4 * _LONGEST_WORD,
            no_pretokenization=True,
            support_detokenization=False,
        )
        self.pad_id, self.cls_id, self.sep_id = (numbers[special] for special in ("[PAD]", "[CLS]", "[SEP]"))
        self.layout = Layout(self.cls_id, self.sep_id, self.pad_id)

    @property
    def size(self) -> int:
        """Number of word pieces, added tokens included."""
        return max([len(self.vocabulary), *(number + 1 for number in self.added.values())])

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides the token numbers."""
        rules = astuple(self.rules) if isinstance(self.rules, WordRules) else self.rules
        settings = [self.lowercase, self.strip_accents, self.split_cjk, rules, *filter(None, [self.added])]
        return hashlib.sha256(json.dumps([self.vocabulary, settings, tf_text.__version__]).encode()).hexdigest()

    def pieces(self, numbers: np.ndarray) -> list[str]:
        """The word pieces of these numbers."""
        return [self._names.get(number, "") for number in numbers]

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokenises `texts` [batch] string into [batch, (pieces)] int32, without special tokens."""
        pieces = joined(self._pieces.tokenize(self._words(self._rewrite(valid(texts))).known))
        return pieces.with_flat_values(self._numbered(pieces.flat_values))

    def with_offsets(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """Tokenises as `__call__`; see `sftkeras.text.Tokenizer.with_offsets`."""
        texts = valid(texts)
        words = self._words(self._rewrite(texts))
        pieces, begins, ends = self._pieces.tokenize_with_offsets(words.known.flat_values)
        word = row_of_each(pieces)
        word_begins = tf.gather(words.begins, word)
        # A word under another name has one piece, which spans what the word did.
        ends = tf.where(tf.gather(words.renamed, word), tf.gather(words.ends, word), word_begins + ends.values)
        rows = tf.gather(row_of_each(words.known), word)
        starts, ends = align(texts, self._rewrite).spans(rows, word_begins + begins.values, ends)
        numbers = pieces.with_flat_values(self._numbered(pieces.flat_values))
        tokens = joined(words.known.with_values(numbers))
        return tokens, tokens.with_values(starts), tokens.with_values(ends)

    def _numbered(self, pieces: tf.Tensor) -> tf.Tensor:
        """The numbers of pieces [pieces] int32, which are the vocabulary's and the stand-ins' behind it."""
        if not self.added:
            return pieces
        return tf.gather(tf.constant([*range(len(self.vocabulary)), *self._found.numbers], tf.int32), pieces)

    def _rewrite(self, texts: tf.Tensor) -> tf.Tensor:
        """Rewrites texts [n] string before they are split into words, character by character."""
        if self.rules == "tensorflow_text":
            return _tensorflow_text_rewrite(texts, self.lowercase)
        return self._steps.rewrite(texts)

    def _words(self, texts: tf.Tensor) -> _Words:
        """Splits rewritten texts [batch] string."""
        if self.rules == "tensorflow_text":  # which finds long words itself
            kept = f"{PUNCTUATION}|{CJK}"
            words, begins, ends = split(texts, rf"\s+|{kept}", kept)
            return _Words(words, tf.zeros_like(begins.flat_values, tf.bool), begins.flat_values, ends.flat_values)
        if not self.added:
            return _without_long(*self._steps.split(texts))
        parts, begins, ends = self._found.divide(texts)
        words, within = self._steps.split(parts.flat_values)
        of_part = row_of_each(words)
        is_added = tf.gather(self._found.is_stand_in(parts.flat_values), of_part)
        begins = tf.gather(begins.flat_values, of_part) + within
        found = _without_long(words, begins)
        return found._replace(
            known=joined(parts.with_values(found.known)),
            renamed=found.renamed | is_added,
            ends=tf.where(is_added, tf.gather(ends.flat_values, of_part), found.ends),
        )


def _without_long(words: tf.RaggedTensor, begins: tf.Tensor) -> _Words:
    """Words [batch, (words)] string and where each begins, [words] int64, without those that BERT takes for unknown."""
    ends = begins + tf.cast(tf.strings.length(words.flat_values), tf.int64)
    too_long = tf.strings.length(words.flat_values, unit="UTF8_CHAR") > _LONGEST_WORD
    return _Words(words.with_flat_values(tf.where(too_long, _NOT_A_WORD, words.flat_values)), too_long, begins, ends)


class _AddedTokens(NamedTuple):
    """The tokens that are found in rewritten texts.

    Attributes:
        strings: as they stand in a rewritten text, longest first.
        stand_ins: the word that stands for each.
        numbers: the number of each.
    """

    strings: list[str]
    stand_ins: list[str]
    numbers: list[int]

    @classmethod
    def of(cls, added: Mapping[str, int], rewrite: Any) -> _AddedTokens:
        if not added:
            return cls([], [], [])
        rewritten = [string.decode() for string in rewrite(tf.constant([*added])).numpy()]
        known = {string: number for string, number in zip(rewritten, added.values(), strict=True) if string}
        strings = sorted(known, key=len, reverse=True)
        return cls(strings, [_stand_in(place) for place in range(len(strings))], [known[it] for it in strings])

    def divide(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """Divides rewritten texts [batch] string into stand-ins and what is between them, with the bytes of each."""
        texts = tf.strings.regex_replace(texts, _STAND_IN, _NOT_A_WORD)
        pattern = "|".join(map(re.escape, self.strings))
        parts, begins, ends = split(texts, pattern, pattern)
        is_string = parts.flat_values[:, tf.newaxis] == tf.constant(self.strings)  # [parts, strings]
        stand_in = tf.gather(self.stand_ins, tf.argmax(is_string, axis=1))
        return (
            parts.with_flat_values(tf.where(tf.reduce_any(is_string, 1), stand_in, parts.flat_values)),
            begins,
            ends,
        )

    def is_stand_in(self, parts: tf.Tensor) -> tf.Tensor:
        """Finds the parts that stand for a token."""
        return tf.strings.regex_full_match(parts, f"{_STAND_IN}+")


def _stand_in(place: int) -> str:
    """A word of noncharacters for each place, so made that none begins another."""
    base = len(_STAND_INS)
    return "".join(_STAND_INS[place // base**power % base] for power in range(3))


class _Words(NamedTuple):
    """The words of some texts.

    Attributes:
        known: [batch, (words)] string, but that another word stands for those that are too long and for added tokens.
        renamed: [words] bool, for which of them.
        begins: [words] int64, the first byte of each word in its text.
        ends: [words] int64, the byte after its last.
    """

    known: tf.RaggedTensor
    renamed: tf.Tensor
    begins: tf.Tensor
    ends: tf.Tensor


def _tensorflow_text_rewrite(texts: tf.Tensor, lowercase: bool) -> tf.Tensor:
    """As `tf_text.BertTokenizer`, which wants a lookup table where we have a list of pieces."""
    if lowercase:
        texts = tf_text.normalize_utf8(tf_text.case_fold_utf8(texts), "NFD")
        texts = tf.strings.regex_replace(texts, NONSPACING_MARK, "")
    return tf.strings.regex_replace(texts, r"\p{Cc}|\p{Cf}", " ")
