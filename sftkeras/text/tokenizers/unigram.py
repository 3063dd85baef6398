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
from sftkeras.text.features.packing import Layout
from sftkeras.text.tokenizers.alignment import align
from sftkeras.text.tokenizers.letters import valid
from sftkeras.text.tokenizers.piece_model import MODELS_SPACE, PieceModel
from sftkeras.text.tokenizers.rows import joined, ragged, row_of_each, split
from sftkeras.text.tokenizers.tokenizer import Tokenizer

UnigramRules = Literal["xlm_roberta", "deberta"]

_FIRST = ("<s>", "<pad>", "</s>", "<unk>")  # of XLM-RoBERTa, whose model begins with _MODEL_FIRST
_MODEL_FIRST = ("<unk>", "<s>", "</s>")
_XLM_MASK, _DEBERTA_MASK = "<mask>", "[MASK]"
_BETWEEN_WORDS = " +"  # other white space is the model's business: it makes a space of most, and has U+0085 as a piece
_IDEOGRAPH = r"\p{Han}\p{M}*"
_NUL, _UNKNOWN = r"\x{00}", "\uffff"


class Unigram(Tokenizer):
    """Splits texts into the pieces of a SentencePiece model.

    Special tokens written in a text, such as "</s>", are ordinary characters: a user cannot smuggle one in.

    Args:
        model: the contents of sentencepiece.bpe.model or spm.model.
        rules: "xlm_roberta" numbers pieces as fairseq does, special tokens first and "<mask>" last, and has RoBERTa's
            layout; "deberta" as the model does, with "[MASK]" after the last, and has BERT's.
        ideographs_apart: whether each Chinese character is split as a word of its own.

    Raises:
        SFTError: SFT352 if a special token is not where it must be in the model.
    """

    def __init__(self, model: bytes, *, rules: UnigramRules, ideographs_apart: bool = False) -> None:
        self.model = model
        self.rules = rules
        self.ideographs_apart = ideographs_apart
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
        """Number of tokens."""
        return len(self.vocabulary)

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides the token numbers."""
        rules = [self._model.name, self.rules, tf_text.__version__, *["ideographs apart"] * self.ideographs_apart]
        return hashlib.sha256(json.dumps(rules).encode()).hexdigest()

    def with_ideographs_apart(self) -> Unigram:
        """The same tokenizer, but that no piece spans two Chinese characters, as with BERT (Devlin et al., 2019).

        The model has pieces such as "在北京", of which a place is only a part: who answers with places in a text could
        not distinguish it from the rest.
        """
        return Unigram(self.model, rules=self.rules, ideographs_apart=True)

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
        pieces, _, _ = self._pieces(words.flat_values)
        return self._numbered(words, pieces)

    def _spans(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        texts = _as_utf8(texts)
        words, word_begins = self._words(texts)
        pieces, begins, ends = self._pieces(words.flat_values)
        word = row_of_each(pieces)
        before = tf.gather(word_begins, word)
        begins, ends = (before + tf.cast(byte, tf.int32) for byte in (begins, ends))
        tokens = self._numbered(words, pieces)
        # "▁1" of " ½" ends before the "½".
        alignment = align(texts, space=MODELS_SPACE)
        places = alignment.spans(tf.gather(row_of_each(words), word), begins, ends, reach=True)
        return tokens, *(tokens.with_flat_values(place) for place in places)

    def _words(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.Tensor]:
        """The words, [batch, (words)] string, and the byte of the text where each begins, [words] int32.

        Word by word, sums of scores stay small, and the pieces of a word do not depend on those before it.
        """
        if self.ideographs_apart:
            between = f"{_BETWEEN_WORDS}|{_IDEOGRAPH}"
            words, begins, _ = split(texts, between, _IDEOGRAPH)
        else:
            words, begins, _ = split(texts, _BETWEEN_WORDS)
        return words, tf.cast(begins.flat_values, tf.int32)

    def _pieces(self, words: tf.Tensor) -> tuple[tf.RaggedTensor, tf.Tensor, tf.Tensor]:
        """The model's pieces of `words` [words] string, as `PieceModel.split` gives them."""
        pieces, begins, ends = self._model.split(words)
        if not self.ideographs_apart:
            return pieces, begins, ends
        # The model puts a space before each word; before an ideograph there is none, and it would double the tokens.
        is_ideograph = tf.gather(tf.strings.regex_full_match(words, _IDEOGRAPH), row_of_each(pieces))
        kept = ~(is_ideograph & self._model.is_space(pieces.values))
        kept_before = tf.concat([[0], tf.cumsum(tf.cast(kept, tf.int64))], 0)
        splits, kept = tf.gather(kept_before, pieces.row_splits), tf.where(kept)[:, 0]
        numbers, begins, ends = (tf.gather(values, kept) for values in (pieces.values, begins, ends))
        return ragged(numbers, splits), begins, ends

    def _numbered(self, words: tf.RaggedTensor, pieces: tf.RaggedTensor) -> tf.RaggedTensor:
        """The model's pieces of `words` as tokens of texts, [batch, (pieces)] int32."""
        numbers = pieces.values
        if self.rules == "xlm_roberta":
            unknown = _MODEL_FIRST.index("<unk>")
            numbers = tf.where(numbers == unknown, _FIRST.index("<unk>"), numbers + 1)
        return joined(words.with_values(pieces.with_values(numbers)))


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
