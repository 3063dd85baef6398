"""The tokenizers of XLM-RoBERTa and DeBERTa-v3 as TensorFlow ops, equal token for token to Hugging Face's.

Texts go to the model as they are: it knows itself what to do with letters and spaces. ALBERT, which rewrites texts
first, is in `sentence_piece`, where it also stands how rounding decides between pieces that fit a word equally well.
"""

from __future__ import annotations

import hashlib
import json
from typing import Literal

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text
from sentencepiece.sentencepiece_model_pb2 import ModelProto  # type: ignore[attr-defined]

from sftkeras.errors import SFTError
from sftkeras.text.letters import valid
from sftkeras.text.packing import Layout
from sftkeras.text.piece_model import MODELS_SPACES, PieceModel
from sftkeras.text.spans import SPACES, Characters

UnigramRules = Literal["xlm_roberta", "deberta"]

_FIRST = ("<s>", "<pad>", "</s>", "<unk>")  # of XLM-RoBERTa, whose model begins with _MODEL_FIRST
_MODEL_FIRST = ("<unk>", "<s>", "</s>")
_XLM_MASK, _DEBERTA_MASK = "<mask>", "[MASK]"
_BETWEEN_WORDS = " +"  # other white space is the model's business: it makes a space of most, and has U+0085 as a piece
_NUL, _UNKNOWN = r"\x{00}", "\uffff"


class Unigram:
    """Splits texts into the pieces of a SentencePiece model.

    Special tokens written in a text, such as "</s>", are ordinary characters: a user cannot smuggle one in.

    Args:
        model: the contents of sentencepiece.bpe.model or spm.model.
        rules: "xlm_roberta" numbers pieces as fairseq does, special tokens first and "<mask>" last, and has RoBERTa's
            layout; "deberta" as the model does, with "[MASK]" after the last, and has BERT's.

    Raises:
        SFTError: SFT352 if a special token is not where it must be in the model.
    """

    def __init__(self, model: bytes, *, rules: UnigramRules) -> None:
        self.model = model
        self.rules = rules
        proto = ModelProto.FromString(model)
        pieces = [piece.piece for piece in proto.pieces]
        if rules == "xlm_roberta":
            self.vocabulary = _fairseq_vocabulary(pieces)
            start, end, pad = (_FIRST.index(special) for special in ("<s>", "</s>", "<pad>"))
            self.layout = Layout(start, end, pad, ends_between=2, segments=False)
        else:
            self.vocabulary = pieces if _DEBERTA_MASK in pieces else [*pieces, _DEBERTA_MASK]
            start, end, pad = (_number(pieces, special) for special in ("[CLS]", "[SEP]", "[PAD]"))
            self.layout = Layout(start, end, pad)
        self.pad_id, self.cls_id, self.sep_id = self.layout.pad, self.layout.start, self.layout.end
        spec = proto.normalizer_spec
        spec.add_dummy_prefix = spec.remove_extra_whitespaces = spec.escape_whitespaces = True
        space = pieces.index("▁") if "▁" in pieces else -1
        self._model = PieceModel(proto.SerializeToString(deterministic=True), space)
        texts = tf.TensorSpec([None], tf.string)
        # Functions, so that the model is in the graph once however often texts are tokenised.
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
        return hashlib.sha256(json.dumps([self._model.name, self.rules, tf_text.__version__]).encode()).hexdigest()

    def pieces(self, numbers: np.ndarray) -> list[str]:
        """The pieces of these numbers."""
        return [self.vocabulary[number] for number in numbers]

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokenises `texts` [batch] string into [batch, (pieces)] int32, without special tokens."""
        return self._tokenise(texts)

    def with_offsets(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """Tokenises as `__call__`; see `sftkeras.text.Tokenizer.with_offsets`."""
        return self._locate(texts)

    def _tokens(self, texts: tf.Tensor) -> tf.RaggedTensor:
        words, _ = self._words(_as_utf8(texts))
        pieces, _, _ = self._model.split(words.flat_values)
        return self._numbered(words, pieces)

    def _spans(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        texts = _as_utf8(texts)
        words, word_begins = self._words(texts)
        pieces, begins, ends = self._model.split(words.flat_values)
        characters = Characters.of(texts, spaces=(*SPACES, *MODELS_SPACES))
        word = pieces.value_rowids()
        text = tf.cast(tf.gather(words.value_rowids(), word), tf.int32)
        before = tf.gather(characters.byte_splits(), text) + tf.gather(word_begins, word)
        tokens = self._numbered(words, pieces)
        # "▁1" of " ½" is told to end before the "½".
        begins, ends = (before + tf.cast(byte, tf.int32) for byte in (begins, ends))
        places = characters.spans(begins, ends, text, reach=True)
        return tokens, *(tokens.with_flat_values(place) for place in places)

    def _words(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.Tensor]:
        """The words, [batch, (words)] string, and the byte of the text where each begins, [words] int32.

        Word by word, sums of scores stay small, and the pieces of a word do not depend on those before it.
        """
        words, begins, _ = tf_text.regex_split_with_offsets(texts, _BETWEEN_WORDS)
        return words, tf.cast(begins.flat_values, tf.int32)

    def _numbered(self, words: tf.RaggedTensor, pieces: tf.RaggedTensor) -> tf.RaggedTensor:
        """The model's pieces of `words` as tokens of texts, [batch, (pieces)] int32."""
        numbers = pieces.values
        if self.rules == "xlm_roberta":
            unknown = _MODEL_FIRST.index("<unk>")
            numbers = tf.where(numbers == unknown, _FIRST.index("<unk>"), numbers + 1)
        return words.with_flat_values(pieces.with_values(numbers)).merge_dims(-2, -1)


def _as_utf8(texts: tf.Tensor) -> tf.Tensor:
    """Texts without NUL characters and bytes that are no UTF-8, at which operations end or disagree."""
    return valid(tf.strings.regex_replace(texts, _NUL, _UNKNOWN))


def _fairseq_vocabulary(pieces: list[str]) -> list[str]:
    for number, special in enumerate(_MODEL_FIRST):
        if pieces[number : number + 1] != [special]:
            raise SFTError("SFT352", token=special, size=len(pieces))
    return [*_FIRST, *pieces[len(_MODEL_FIRST) :], _XLM_MASK]


def _number(pieces: list[str], special: str) -> int:
    if special not in pieces:
        raise SFTError("SFT352", token=special, size=len(pieces))
    return pieces.index(special)
