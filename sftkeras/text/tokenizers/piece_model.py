"""A SentencePiece model inside of the graph, and what it takes for a space. What is done to texts before is not here.

Own code rather than `tf_text.SentencepieceTokenizer`, whose model is a resource outside of the graph that a SavedModel
must track: here the graph makes it where it is used, named by its contents, so that a function that splits texts can be
saved, copied and loaded beside others as it is.
"""

from __future__ import annotations

import hashlib

import tensorflow as tf
from tensorflow_text.python.ops.sentencepiece_tokenizer import gen_sentencepiece_tokenizer as sentencepiece_ops

from sftkeras.text.tokenizers.alignment import SPACE

# White space, and what the usual rules of a model make a space or nothing: a regular expression for one character.
MODELS_SPACE = SPACE + r"|[\x01-\x1F\x7F\x{8F}\x{9F}\x{200B}\x{200C}\x{200E}\x{200F}\x{2581}\x{FEFF}\x{FFFD}]"


class PieceModel:
    """Splits texts by a SentencePiece model.

    Args:
        contents: of the model.
        space: number of the piece "▁"; -1 if there is none.

    Attributes:
        name: distinguishes models of other contents.
    """

    def __init__(self, contents: bytes, space: int) -> None:
        self.name = f"sentencepiece_{hashlib.sha256(contents).hexdigest()}"
        self._contents = contents
        self._space = space

    def is_space(self, numbers: tf.Tensor) -> tf.Tensor:
        """Finds the pieces that are a space and nothing else."""
        return numbers == self._space

    def split(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.Tensor, tf.Tensor]:
        """The pieces of `texts` [batch] string, [batch, (pieces)] int32; and the bytes where each begins and ends.

        They are [pieces] each. A space of its own ends where it begins, any other piece has one byte at least.
        """
        numbers, splits, begins, ends = sentencepiece_ops.sentencepiece_tokenize_with_offsets_op(
            sentencepiece_ops.sentencepiece_op(model=self._contents, shared_name=self.name),
            texts,
            nbest_size=0,
            alpha=1.0,
            add_bos=False,
            add_eos=False,
            reverse=False,
            out_type=tf.int32,
        )
        # A piece within what the model makes of one character, such as "f" of "ﬁ", ends where it begins.
        ends = tf.where(self.is_space(numbers), begins, tf.maximum(ends, begins + 1))
        return tf.RaggedTensor.from_row_splits(numbers, splits, validate=False), begins, ends
