"""Rewrites a text and splits it into words before word pieces: the steps of Hugging Face's `tokenizers`, in order.

Each step has the name of the normalizer or pre-tokenizer that it equals. Every operation below is linked into a stock
TensorFlow Serving.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf
import tensorflow_text as tf_text

from sftkeras.text.tokenizers.alignment import SPACE
from sftkeras.text.tokenizers.letters import lower
from sftkeras.text.tokenizers.rows import joined, one_in_each_row, row_of_each, split

# Unicode classes as BERT's reference tokenizer defines them, in RE2's notation.
_CLEANED_SPACE = r"[\t\n\r\p{Z}]"
_CONTROL = r"[\p{C}\x{FFFD}]"
CJK = (
    r"([\x{4E00}-\x{9FFF}]|[\x{3400}-\x{4DBF}]|[\x{20000}-\x{2A6DF}]|[\x{2A700}-\x{2B73F}]|[\x{2B740}-\x{2B81F}]"
    r"|[\x{2B820}-\x{2CEAF}]|[\x{F900}-\x{FAFF}]|[\x{2F800}-\x{2FA1F}])"
)
NONSPACING_MARK = r"\p{Mn}"
PUNCTUATION = r"[!-/]|[:-@]|[\[-`]|[{-~]|\p{P}"
# What `\w` means in Rust: letters, marks, digits, connecting punctuation, joiners, and letters in circles and squares.
_WORD = (
    r"\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{200C}\x{200D}\x{24B6}-\x{24E9}"
    r"\x{1F130}-\x{1F149}\x{1F150}-\x{1F169}\x{1F170}-\x{1F189}"
)
_SPACES = rf"(?:{SPACE})+"
_RUNS = rf"[{_WORD}]+|[^{_WORD}\p{{Z}}\t\n\v\f\r\x{{85}}]+"  # of the characters of words, and of others but spaces
_NUL, _UNKNOWN = r"\x{00}", "\uffff"  # some operations end a text at NUL; no vocabulary has either of them


class Splitting(NamedTuple):
    """Rules by which a text is split.

    Attributes:
        at: what ends a word, as a regular expression.
        kept: which of it is a word itself; nothing if empty.
    """

    at: str
    kept: str


def _without(pattern: str, form: str) -> Callable[[tf.Tensor], tf.Tensor]:
    return lambda texts: tf.strings.regex_replace(tf_text.normalize_utf8(texts, form), pattern, "")


def _clean(texts: tf.Tensor) -> tf.Tensor:
    texts = tf.strings.regex_replace(texts, _CLEANED_SPACE, " ")
    return tf.strings.regex_replace(texts, _CONTROL, "")


# BertNormalizer is four steps, each of which can be left out; they are named by its settings.
REWRITING: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "clean_text": _clean,
    "handle_chinese_chars": lambda texts: tf.strings.regex_replace(texts, CJK, r" \1 "),
    "strip_accents": _without(NONSPACING_MARK, "NFD"),
    "NFD": lambda texts: tf_text.normalize_utf8(texts, "NFD"),
    "NFKD": lambda texts: tf_text.normalize_utf8(texts, "NFKD"),
    "StripAccents": lambda texts: tf.strings.regex_replace(texts, r"\p{M}", ""),
    "Lowercase": lambda texts: lower(texts, decomposed=False),
}
_DECOMPOSING = ("strip_accents", "NFD", "NFKD")

SPLITTING = {
    "BertPreTokenizer": Splitting(rf"{_SPACES}|{PUNCTUATION}", PUNCTUATION),
    "Whitespace": Splitting(rf"{_SPACES}|{_RUNS}", _RUNS),
    "WhitespaceSplit": Splitting(_SPACES, ""),
    "Punctuation": Splitting(PUNCTUATION, PUNCTUATION),
    "Digits": Splitting(r"\p{N}+", r"\p{N}+"),
    "individual_digits": Splitting(r"\p{N}", r"\p{N}"),
}


@dataclass(frozen=True)
class WordRules:
    """The steps from a text to its words.

    Attributes:
        rewriting: names of `REWRITING`.
        splitting: names of `SPLITTING`, each of which splits the words that the one before it gave.
    """

    rewriting: tuple[str, ...]
    splitting: tuple[str, ...]

    @classmethod
    def of_bert(cls, *, lowercase: bool, strip_accents: bool, split_cjk: bool) -> WordRules:
        """Return the rules of BERT's own tokenizer."""
        asked = {"handle_chinese_chars": split_cjk, "strip_accents": strip_accents, "Lowercase": lowercase}
        return cls(("clean_text", *(step for step, wanted in asked.items() if wanted)), ("BertPreTokenizer",))

    def rewrite(self, texts: tf.Tensor) -> tf.Tensor:
        """Rewrites texts [n] string, each character by itself."""
        if self.rewriting[:1] != ("clean_text",):
            texts = tf.strings.regex_replace(texts, _NUL, _UNKNOWN)
        decomposed = False
        for step in self.rewriting:
            texts = lower(texts, decomposed=decomposed) if step == "Lowercase" else REWRITING[step](texts)
            decomposed |= step in _DECOMPOSING
        return texts

    def split(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.Tensor]:
        """Splits rewritten texts [batch] string: their words, [batch, (words)] string; the byte of each, [words]."""
        words = one_in_each_row(texts)
        begins = tf.zeros_like(texts, tf.int64)
        for step in self.splitting:
            parts, within, _ = split(words.flat_values, *SPLITTING[step])
            begins = tf.gather(begins, row_of_each(parts)) + within.flat_values
            words = joined(words.with_values(parts))
        return words, begins
