"""A tokenizer as a TF-Hub preprocessor module: raw texts in, the inputs of a published encoder out.

The interface is that of the public preprocessors for text encoders. What is written holds the tokenizer whole: it needs
TensorFlow and tensorflow_text.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import tensorflow as tf

from sftkeras.backbones.hugging_face import write_tokenizer
from sftkeras.backbones.hugging_face.tokenizers import SENTENCE_PIECES, SETTINGS, WORD_PIECES
from sftkeras.internals.tensorflow import tracing_to_save
from sftkeras.text import Tokenizer, WordPiece, without_special_strings
from sftkeras.text.features.packing import pack
from sftkeras.text.tokenizers.rows import joined

_DEFAULT_LENGTH = 128  # tokens, as the public preprocessors have it

# The names of assets on a module's root, those of public modules first.
_ASSETS = {"vocab_file": WORD_PIECES, "sp_model_file": SENTENCE_PIECES, "tokenizer_config": SETTINGS}
_TEXTS = tf.TensorSpec([None], tf.string, "texts")
_SEQ_LENGTH = tf.TensorSpec([], tf.int32, "seq_length")  # without its name it is traced twice


def write_preprocessor(tokenizer: Tokenizer, folder: Path, *, max_positions: int) -> None:
    """Writes the tokenizer as a TF-Hub preprocessor module into `folder`.

    Called with [batch] strings, the module gives `{"input_word_ids", "input_mask", "input_type_ids"}`, each
    [batch, 128] int32. Its parts do that step by step: `tokenize(texts)` gives [batch, (tokens)] int32, and
    `bert_pack_inputs([tokens], seq_length=128)` packs one or two of these, a pair, to any length.

    Args:
        tokenizer: the tokenizer.
        folder: where to write.
        max_positions: tokens that the encoder takes at most, in case that is fewer than 128.
    """
    module = tf.train.Checkpoint()
    module.tokenize = _tokenize(tokenizer)
    module.bert_pack_inputs = _pack_inputs(tokenizer, min(_DEFAULT_LENGTH, max_positions))
    module.__call__ = tf.function(
        lambda texts: module.bert_pack_inputs.__call__([module.tokenize.__call__(texts)]),
        input_signature=[_TEXTS],
        autograph=False,
    )
    with tracing_to_save():
        signature = module.__call__.get_concrete_function()
    with tempfile.TemporaryDirectory() as beside:
        attach_tokenizer_files(module, tokenizer, Path(beside))
        tf.saved_model.save(module, str(folder), signatures=signature)


def attach_tokenizer_files(module: tf.train.Checkpoint, tokenizer: Tokenizer, beside: Path) -> None:
    """Gives a module that will be saved the tokenizer's files as assets, and what public modules have beside them.

    Public modules say no more of a WordPiece tokenizer than its vocabulary and whether to lower the text;
    `tokenizer_config` has all its rules, as Hugging Face writes them.

    Args:
        module: the module.
        tokenizer: the tokenizer.
        beside: an empty folder for the files, which must be there until the module is saved.
    """
    write_tokenizer(tokenizer, beside)
    for name, file in _ASSETS.items():
        if (beside / file).exists():
            setattr(module, name, tf.saved_model.Asset(str(beside / file)))
    plain = without_special_strings(tokenizer)
    if isinstance(plain, WordPiece):
        module.do_lower_case = tf.Variable(plain.lowercase, trainable=False)


def _tokenize(tokenizer: Tokenizer) -> tf.train.Checkpoint:
    part = tf.train.Checkpoint()
    part.__call__ = tf.function(tokenizer, input_signature=[_TEXTS], autograph=False)
    special = {
        "padding_id": tokenizer.pad_id,
        "start_of_sequence_id": tokenizer.cls_id,
        "end_of_segment_id": tokenizer.sep_id,
        "vocab_size": tokenizer.size,
    }
    part.get_special_tokens_dict = tf.train.Checkpoint()
    part.get_special_tokens_dict.__call__ = tf.function(lambda: special, input_signature=[], autograph=False)
    return part


def _pack_inputs(tokenizer: Tokenizer, length: int) -> tf.train.Checkpoint:
    """The part that packs; traced for one text and for two, whose tokens may be grouped by word."""

    def call(inputs: list[tf.RaggedTensor], seq_length: int | tf.Tensor = length) -> dict[str, tf.Tensor]:
        flat = [joined(tokens) if tokens.ragged_rank > 1 else tokens for tokens in inputs]
        first, second = flat if len(flat) > 1 else (flat[0], None)
        packed, _ = pack(first, second, layout=tokenizer.layout, max_length=seq_length)

        def padded(name: str, value: int = 0) -> tf.Tensor:
            rest = seq_length - tf.shape(packed[name])[1]
            tensor = tf.pad(packed[name], [[0, 0], [0, rest]], constant_values=value)
            return tf.reshape(tensor, [first.nrows(tf.int32), seq_length])  # says the length, where it is a number

        return {
            "input_word_ids": padded("token_ids", tokenizer.pad_id),
            "input_mask": padded("padding_mask"),
            "input_type_ids": padded("segment_ids"),
        }

    part = tf.train.Checkpoint()
    part.__call__ = tf.function(call, autograph=False)
    with tracing_to_save():
        for texts in (1, 2):
            for rank in (1, 2):
                tokens = [tf.RaggedTensorSpec([None] * (rank + 1), tf.int32, rank) for _ in range(texts)]
                part.__call__.get_concrete_function(tokens, seq_length=_SEQ_LENGTH)
    return part
