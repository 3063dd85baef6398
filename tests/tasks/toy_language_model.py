"""A language model of one layer whose tokens are the characters of a short alphabet, with random weights."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from toy_decoder import toy_backbone

from sftkeras.tasks.network import TextModel, attach_head
from sftkeras.tasks.next_tokens import NextTokens
from sftkeras.text.marks import LEARNED, LEARNED_END

ALPHABET = '\x00\x01\x02abcdefghijklmnopqrstuvwxyz ?.,:{}"'
BEGIN, END, USER = 0, 1, 2
LENGTH = 48  # tokens of a row


class ToyTask(NextTokens):
    kind = "toy"


class ToyFeatures:
    """Rows are marked texts themselves; what is no letter of the alphabet is a space."""

    max_length = LENGTH
    windows = False
    tokenizer = SimpleNamespace(begin_id=BEGIN, size=len(ALPHABET), end_ids=(END,))

    def marked(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
        rows = [tokens_of(text.decode()) for text in texts.numpy()]
        return tuple(tf.ragged.constant([row[part] for row in rows], tf.int32, ragged_rank=1) for part in (0, 1))

    def encode_arrays(self, texts: list[str]) -> tuple[dict[str, Any], np.ndarray]:
        tokens, learned = self.marked(tf.constant(texts))
        lengths = tokens.row_lengths().numpy()
        arrays = {"token_ids": tokens.flat_values.numpy(), "learned": learned.flat_values.numpy()}
        return {name: (values, lengths) for name, values in arrays.items()}, lengths


def tokens_of(marked: str) -> tuple[list[int], list[int]]:
    tokens, learned, inside = [], [], 0
    for character in marked:
        if character in (LEARNED, LEARNED_END):
            inside = int(character == LEARNED)
            continue
        tokens.append(max(ALPHABET.find(character), 0) or ALPHABET.index(" "))
        learned.append(inside)
    return tokens, learned


def text_of(tokens: tf.RaggedTensor) -> tf.Tensor:
    return tf.constant(["".join(ALPHABET[token] for token in row) for row in tokens.to_list()], tf.string)


def toy_model(seed: int = 3) -> TextModel:
    keras.utils.set_random_seed(seed)
    backbone = toy_backbone(len(ALPHABET) + 3, 64)
    decoder = backbone.model
    random = np.random.default_rng(seed)
    decoder.set_weights([random.normal(0, 0.5, weight.shape) for weight in decoder.get_weights()])
    task = ToyTask()
    return TextModel(ToyFeatures(), attach_head(backbone, task, "mean"), task, backbone)


def logits_of(model: TextModel, tokens: list[int]) -> np.ndarray:
    """The logits [tokens, vocabulary] of one row, all computed at once."""
    row = tf.constant([tokens], tf.int32)
    positions = tf.range(len(tokens))[tf.newaxis]
    decoder = model.backbone.model
    vectors = decoder({"token_ids": row, "positions": positions, "segments": tf.ones_like(row)})["sequence_output"]
    return decoder.logits(vectors)[0].numpy()
