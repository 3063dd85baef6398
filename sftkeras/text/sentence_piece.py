"""ALBERT's SentencePiece tokenizer as TensorFlow ops, equal token for token to Hugging Face's, or to TF-Hub modules'.

The pieces come from the op of tensorflow_text, which every stock TensorFlow Serving has; the rules before it are
ALBERT's. Own code rather than `tf_text.SentencepieceTokenizer`, whose model is a resource outside of the graph that a
SavedModel must track: here the graph makes it where it is used, named by its contents, so that a function that splits
texts can be saved, copied and loaded beside others as it is.

Where the same pieces fit a word in several orders, as "rr", "rr" and "r" fit "rrrrr", their scores add up to the same,
and rounding decides: of float32 here, of float64 there. About one film review in three hundred has such a word.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text
from sentencepiece.sentencepiece_model_pb2 import ModelProto  # type: ignore[attr-defined]
from tensorflow_text.python.ops.sentencepiece_tokenizer import gen_sentencepiece_tokenizer as sentencepiece_ops

from sftkeras.errors import SFTError
from sftkeras.text.letters import lower
from sftkeras.text.word_piece import Rules

PAD, UNKNOWN, CLS, SEP = "<pad>", "<unk>", "[CLS]", "[SEP]"

_QUOTES = "``|''"  # of old tokenizers, for which ALBERT has seen the plain quotation mark
# All that Unicode calls white space but U+000B, which SentencePiece's usual rules drop.
_SPACE = r"[\t\n\f\r\x{85}\p{Z}]"
_ACCENT = r"\p{M}"
_NUL = r"\x{00}"  # at which some operations end a text
_NO_CHARACTER = "\uffff"  # as unknown to every model
_PENALTY = 100.0  # to a score, a logarithm of a probability; usual ones are between -3 and -20


class SentencePiece:
    """Splits texts into the pieces of a SentencePiece model.

    Special tokens written in a text, such as "[SEP]", are ordinary characters: a user cannot smuggle one in.

    Args:
        model: the contents of spiece.model.
        lowercase: lower the text first.
        strip_accents: drop accents first.
        rules: whose tokenizer it equals, Hugging Face's or that of the public preprocessors on TF-Hub. The latter fold
            case ("ß" becomes "ss"), know nothing of quotation marks, and leave a piece such as "9," whole.

    Raises:
        SFTError: SFT352 if a special token is not among the pieces.
    """

    def __init__(
        self, model: bytes, *, lowercase: bool = True, strip_accents: bool = True, rules: Rules = "hugging_face"
    ) -> None:
        self.model = model
        self.lowercase = lowercase
        self.strip_accents = strip_accents
        self.rules = rules
        proto = ModelProto.FromString(model)
        self.vocabulary = [piece.piece for piece in proto.pieces]
        numbers = {piece: number for number, piece in enumerate(self.vocabulary)}
        for special in (PAD, UNKNOWN, CLS, SEP):
            if special not in numbers:
                raise SFTError("SFT352", token=special, size=len(self.vocabulary))
        self.pad_id, self.cls_id, self.sep_id = (numbers[special] for special in (PAD, CLS, SEP))
        self._model = _for_single_words(proto) if rules == "hugging_face" else model
        self._model_name = f"sentencepiece_{hashlib.sha256(self._model).hexdigest()}"
        # A function, so that the model is in the graph once however often texts are tokenised.
        texts = tf.TensorSpec([None], tf.string)
        self._tokenise = tf.function(self._tokens, input_signature=[texts], autograph=False)

    @property
    def size(self) -> int:
        """How many pieces there are."""
        return len(self.vocabulary)

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides the token numbers."""
        settings = [self.lowercase, self.strip_accents, self.rules]
        return hashlib.sha256(json.dumps([self._model_name, settings, tf_text.__version__]).encode()).hexdigest()

    def pieces(self, numbers: np.ndarray) -> list[str]:
        """The pieces of these numbers."""
        return [self.vocabulary[number] for number in numbers]

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokenises `texts` [batch] string into [batch, (pieces)] int32, without special tokens."""
        return self._tokenise(texts)

    def _tokens(self, texts: tf.Tensor) -> tf.RaggedTensor:
        if self.rules == "tensorflow_text":
            return self._split(_fold(texts, self.lowercase, self.strip_accents))
        # Word by word: sums of scores stay small, so that the pieces of a word do not depend on those before it.
        words = tf.strings.split(self._normalise(texts), " ")
        return words.with_flat_values(self._split(words.flat_values)).merge_dims(-2, -1)

    def _normalise(self, texts: tf.Tensor) -> tf.Tensor:
        texts = tf.strings.regex_replace(tf.strings.regex_replace(texts, _NUL, _NO_CHARACTER), _QUOTES, '"')
        if self.strip_accents:
            texts = tf.strings.regex_replace(tf_text.normalize_utf8(texts, "NFKD"), _ACCENT, "")
        if self.lowercase:
            texts = lower(texts, decomposed=self.strip_accents)
        return tf.strings.regex_replace(texts, _SPACE, " ")

    def _split(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """The pieces of `texts` [batch] string, [batch, (pieces)] int32."""
        numbers, splits = sentencepiece_ops.sentencepiece_tokenize_op(
            sentencepiece_ops.sentencepiece_op(model=self._model, shared_name=self._model_name),
            texts,
            nbest_size=0,
            alpha=1.0,
            add_bos=False,
            add_eos=False,
            reverse=False,
            out_type=tf.int32,
        )
        return tf.RaggedTensor.from_row_splits(numbers, splits, validate=False)


def _fold(texts: tf.Tensor, lowercase: bool, strip_accents: bool) -> tf.Tensor:
    """What the public preprocessors do to texts before they split them."""
    if strip_accents:
        texts = tf.strings.regex_replace(tf_text.normalize_utf8(texts, "NFD"), r"\p{Mn}", "")
    return tf_text.case_fold_utf8(texts) if lowercase else texts


def _for_single_words(proto: ModelProto) -> bytes:
    """The model for words one by one: a space before each, and the comma of "1,000" a piece of its own.

    ALBERT was trained so. As Hugging Face does it, a piece such as "9," scores less than "9" and "," together.
    """
    spec = proto.normalizer_spec
    spec.add_dummy_prefix = spec.remove_extra_whitespaces = spec.escape_whitespaces = True
    lowest = min(piece.score for piece in proto.pieces)
    for piece in proto.pieces:
        if piece.piece[-1:] == "," and piece.piece[-2:-1].isdigit():
            piece.score = min(piece.score, lowest - _PENALTY)
    return proto.SerializeToString(deterministic=True)
