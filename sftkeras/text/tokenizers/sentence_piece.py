"""ALBERT's SentencePiece tokenizer as TensorFlow ops, equal token for token to Hugging Face's, or to TF-Hub modules'.

The pieces come from the op of tensorflow_text, which every stock TensorFlow Serving has (see `piece_model`); the rules
before it are ALBERT's.

Where the same pieces fit a word in several orders, as "rr", "rr" and "r" fit "rrrrr", their scores add up to the same,
and rounding decides: of float32 here, of float64 there. About one film review in three hundred has such a word.

Where a model itself makes several characters of one (cased models, "½" to "1⁄2") and a piece ends among them, the op
does not show: the span of "x1" of "x½" is "x", that of "2" is "½".
"""

from __future__ import annotations

import hashlib
import json

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text
from sentencepiece.sentencepiece_model_pb2 import ModelProto  # type: ignore[attr-defined]

from sftkeras.errors import SFTError
from sftkeras.text.features.packing import Layout
from sftkeras.text.tokenizers.alignment import align
from sftkeras.text.tokenizers.letters import lower, valid
from sftkeras.text.tokenizers.origin import source_bytes
from sftkeras.text.tokenizers.piece_model import MODELS_SPACE, PieceModel
from sftkeras.text.tokenizers.rows import joined, joined_texts, one_in_each_row, row_of_each, split
from sftkeras.text.tokenizers.tokenizer import Tokenizer
from sftkeras.text.tokenizers.word_piece import Rules

PAD, UNKNOWN, CLS, SEP = "<pad>", "<unk>", "[CLS]", "[SEP]"

_QUOTES = "`'"  # two of a kind are a quotation mark in old texts; ALBERT has seen the plain one for them
# All that Unicode calls white space but U+000B, which SentencePiece's usual rules drop.
_SPACE = r"[\t\n\f\r\x{85}\p{Z}]"
_ACCENT = r"\p{M}"
_NUL = r"\x{00}"  # at which some operations end a text
_NO_CHARACTER = "\uffff"  # as unknown to every model
_PENALTY = 100.0  # to a score, a logarithm of a probability; usual ones are between -3 and -20


class SentencePiece(Tokenizer):
    """Splits texts into the pieces of a SentencePiece model.

    Special tokens written in a text, such as "[SEP]", are ordinary characters: a user cannot smuggle one in.

    Args:
        model: the contents of spiece.model.
        lowercase: lower the text first.
        strip_accents: drop accents first.
        rules: whose tokenizer it equals, Hugging Face's or that of the public preprocessors on TF-Hub. The latter fold
            case ("ß" becomes "ss"), know nothing of quotation marks, and leave a piece such as "9," whole.
        commas_apart: whether a piece such as "9," is made less likely than "9" and "," together, as ALBERT's own
            tokenizer does. A model that was taken out of a tokenizer.json has the scores that count already.

    Raises:
        SFTError: SFT352 if a special token is not among the pieces.
    """

    def __init__(
        self,
        model: bytes,
        *,
        lowercase: bool = True,
        strip_accents: bool = True,
        rules: Rules = "hugging_face",
        commas_apart: bool = True,
    ) -> None:
        self.model = model
        self.lowercase = lowercase
        self.strip_accents = strip_accents
        self.rules = rules
        self.commas_apart = commas_apart
        proto = ModelProto.FromString(model)
        self.vocabulary = [piece.piece for piece in proto.pieces]
        numbers = {piece: number for number, piece in enumerate(self.vocabulary)}
        for special in (PAD, UNKNOWN, CLS, SEP):
            if special not in numbers:
                raise SFTError("SFT352", token=special, size=len(self.vocabulary))
        self.pad_id, self.cls_id, self.sep_id = (numbers[special] for special in (PAD, CLS, SEP))
        self.layout = Layout(self.cls_id, self.sep_id, self.pad_id)
        contents = _for_single_words(proto, commas_apart) if rules == "hugging_face" else model
        self._model = PieceModel(contents, numbers.get("▁", -1))
        # A function, so that the model is in the graph once however often texts are tokenised.
        texts = tf.TensorSpec([None], tf.string)
        self._tokenise = tf.function(self._tokens, input_signature=[texts], autograph=False)
        self._tokenise_with_offsets = tf.function(self._tokens_with_offsets, input_signature=[texts], autograph=False)

    @property
    def size(self) -> int:
        """Number of pieces."""
        return len(self.vocabulary)

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides the token numbers."""
        settings = [self.lowercase, self.strip_accents, self.rules]
        return hashlib.sha256(json.dumps([self._model.name, settings, tf_text.__version__]).encode()).hexdigest()

    def pieces(self, numbers: np.ndarray) -> list[str]:
        """The pieces of these numbers."""
        return [self.vocabulary[number] for number in numbers]

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokenises `texts` [batch] string into [batch, (pieces)] int32, without special tokens."""
        return self._tokenise(texts)

    def with_offsets(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """Tokenises as `__call__`; see `sftkeras.text.Tokenizer.with_offsets`."""
        return self._tokenise_with_offsets(texts)

    def _tokens(self, texts: tf.Tensor) -> tf.RaggedTensor:
        words, _ = self._words(valid(texts))
        return joined(words.with_values(self._model.split(words.flat_values)[0]))

    def _tokens_with_offsets(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        texts = valid(texts)
        words, word_begins = self._words(texts)
        pieces, begins, ends = self._model.split(words.flat_values)
        word = row_of_each(pieces)
        rows, word_begins = tf.gather(row_of_each(words), word), tf.gather(word_begins, word)
        begins, ends = (word_begins + tf.cast(place, tf.int64) for place in (begins, ends))
        if not self._by_words and self.lowercase:
            begins, ends = self._before_composing(texts, pieces, begins, ends)
        paired = _QUOTES if self._by_words else ""
        alignment = align(texts, self._rewrite, paired=paired, space=MODELS_SPACE)
        starts, ends = alignment.spans(rows, begins, ends, reach=True)
        tokens = joined(words.with_values(pieces))
        return tokens, tokens.with_values(starts), tokens.with_values(ends)

    def _before_composing(
        self, texts: tf.Tensor, pieces: tf.RaggedTensor, begins: tf.Tensor, ends: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Undoes what folding case does across characters: it joins those that stand for one, as in Korean."""
        characters = tf.strings.unicode_split(texts, "UTF-8")
        folded = joined_texts(characters.with_values(self._rewrite(characters.flat_values)))
        sources = (source_bytes(folded, "NFC", pieces.with_values(places)).values for places in (begins, ends))
        return next(sources), next(sources)

    @property
    def _by_words(self) -> bool:
        """Whether words are split one by one: sums of scores stay small, and no piece depends on words before it."""
        return self.rules == "hugging_face"

    def _rewrite(self, texts: tf.Tensor) -> tf.Tensor:
        """Rewrites texts [n] string before they are split, character by character."""
        if not self._by_words:
            return _fold(texts, self.lowercase, self.strip_accents)
        texts = tf.strings.regex_replace(texts, _NUL, _NO_CHARACTER)
        if self.strip_accents:
            texts = tf.strings.regex_replace(tf_text.normalize_utf8(texts, "NFKD"), _ACCENT, "")
        if self.lowercase:
            texts = lower(texts, decomposed=self.strip_accents)
        return tf.strings.regex_replace(texts, _SPACE, " ")

    def _words(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.Tensor]:
        """Rewritten parts to split at once, [batch, (words)] string; and the byte where each begins, [words] int64."""
        if not self._by_words:
            return one_in_each_row(self._rewrite(texts)), tf.zeros_like(texts, tf.int64)
        for quote in _QUOTES:
            texts = tf.strings.regex_replace(texts, quote * 2, '"')
        words, begins, _ = split(self._rewrite(texts), " ")
        return words, begins.flat_values


def _fold(texts: tf.Tensor, lowercase: bool, strip_accents: bool) -> tf.Tensor:
    """Rewrites texts as the public preprocessors do before they split them."""
    if strip_accents:
        texts = tf.strings.regex_replace(tf_text.normalize_utf8(texts, "NFD"), r"\p{Mn}", "")
    return tf_text.case_fold_utf8(texts) if lowercase else texts


def _for_single_words(proto: ModelProto, commas_apart: bool) -> bytes:
    """The model for words one by one: a space before each, and the comma of "1,000" a piece of its own.

    ALBERT was trained so. As Hugging Face does it, a piece such as "9," scores less than "9" and "," together.
    """
    spec = proto.normalizer_spec
    spec.add_dummy_prefix = spec.remove_extra_whitespaces = spec.escape_whitespaces = True
    lowest = min(piece.score for piece in proto.pieces)
    for piece in proto.pieces if commas_apart else ():
        if is_number_and_comma(piece.piece):
            piece.score = min(piece.score, lowest - _PENALTY)
    return proto.SerializeToString(deterministic=True)


def is_number_and_comma(piece: str) -> bool:
    """Whether a piece is one such as "9,", of which ALBERT's own tokenizer makes two."""
    return piece[-1:] == "," and piece[-2:-1].isdigit()
