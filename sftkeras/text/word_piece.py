"""BERT's WordPiece tokenizer as TensorFlow ops, equal to Hugging Face's token for token.

Own code rather than `keras_hub.tokenizers.WordPieceTokenizer`, which folds case where BERT lowers it ("ß" becomes
"ss"), splits words at zero-width characters where BERT drops them, and has another code path when called eagerly. Every
op below is linked into a stock TensorFlow Serving.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf
import tensorflow_text as tf_text

from sftkeras.errors import SFTError

# Unicode classes as BERT's reference tokenizer defines them, in RE2's notation.
_SPACE = r"[\t\n\r\p{Z}]"
_CONTROL = r"[\p{C}\x{FFFD}]"
_CJK = (
    r"([\x{4E00}-\x{9FFF}]|[\x{3400}-\x{4DBF}]|[\x{20000}-\x{2A6DF}]|[\x{2A700}-\x{2B73F}]|[\x{2B740}-\x{2B81F}]"
    r"|[\x{2B820}-\x{2CEAF}]|[\x{F900}-\x{FAFF}]|[\x{2F800}-\x{2FA1F}])"
)
_ACCENT = r"\p{Mn}"
_PUNCTUATION = r"[!-/]|[:-@]|[\[-`]|[{-~]|\p{P}"

# Capitals whose lower form ICU makes depend on the letters around them or on the machine's language (LANG): a Turkish
# server would turn "I" into "ı". BERT lowers each character by itself, everywhere alike. NFD takes all but Σ apart.
_SIGMA = {"Σ": "σ"}
_DOTTED = {"İ": "i\u0307", "Ì": "ì", "Í": "í", "Ĩ": "ĩ", "Į": "į"}

_LONGEST_WORD = 100  # characters; BERT maps longer words to [UNK]
_NOT_A_WORD = "\uffff"  # a noncharacter: in no vocabulary, so it becomes [UNK]


class WordPiece:
    """Splits texts into the word pieces of a vocabulary.

    Special tokens written in a text, such as "[SEP]", are ordinary characters: a user cannot smuggle one in.

    Args:
        vocabulary: the word pieces; a piece's position is its number.
        lowercase: lower the text first.
        strip_accents: drop accents first; None does so when `lowercase`, as Hugging Face does.
        split_cjk: make every CJK ideograph a word of its own.

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
    ) -> None:
        self.vocabulary = list(vocabulary)
        self.lowercase = lowercase
        self.strip_accents = lowercase if strip_accents is None else strip_accents
        self.split_cjk = split_cjk
        numbers = {piece: number for number, piece in enumerate(self.vocabulary)}
        for special in ("[PAD]", "[UNK]", "[CLS]", "[SEP]"):
            if special not in numbers:
                raise SFTError("SFT352", token=special, size=len(self.vocabulary))
        self._pieces = tf_text.FastWordpieceTokenizer(
            self.vocabulary,
            token_out_type=tf.int32,
            max_bytes_per_word=4 * _LONGEST_WORD,
            no_pretokenization=True,
            support_detokenization=False,
        )
        self.pad_id, self.cls_id, self.sep_id = (numbers[special] for special in ("[PAD]", "[CLS]", "[SEP]"))

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides the token numbers."""
        rules = [self.vocabulary, self.lowercase, self.strip_accents, self.split_cjk, tf_text.__version__]
        return hashlib.sha256(json.dumps(rules).encode()).hexdigest()

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokenises `texts` [batch] string into [batch, (pieces)] int32, without special tokens."""
        words = self._words(self._normalise(texts))
        too_long = tf.strings.length(words.flat_values, unit="UTF8_CHAR") > _LONGEST_WORD
        words = words.with_flat_values(tf.where(too_long, _NOT_A_WORD, words.flat_values))
        return self._pieces.tokenize(words).merge_dims(-2, -1)

    def _normalise(self, texts: tf.Tensor) -> tf.Tensor:
        texts = tf.strings.regex_replace(texts, _SPACE, " ")
        texts = tf.strings.regex_replace(texts, _CONTROL, "")
        if self.split_cjk:
            texts = tf.strings.regex_replace(texts, _CJK, r" \1 ")
        if self.strip_accents:
            texts = tf.strings.regex_replace(tf_text.normalize_utf8(texts, "NFD"), _ACCENT, "")
        if self.lowercase:
            texts = tf.strings.lower(texts)  # ASCII alone, where ICU looks at the language too
            for capital, small in (_SIGMA if self.strip_accents else _SIGMA | _DOTTED).items():
                texts = tf.strings.regex_replace(texts, capital, small)
            texts = tf.strings.lower(texts, encoding="utf-8")
        return texts

    @staticmethod
    def _words(texts: tf.Tensor) -> tf.RaggedTensor:
        return tf_text.regex_split(texts, rf"\s+|{_PUNCTUATION}", keep_delim_regex_pattern=_PUNCTUATION)


def read_vocabulary(path: Path) -> list[str]:
    """Reads `vocab.txt`: one word piece a line, its number the line's."""
    pieces = path.read_text(encoding="utf-8").split("\n")
    return [piece.rstrip("\r") for piece in (pieces[:-1] if pieces[-1] == "" else pieces)]
