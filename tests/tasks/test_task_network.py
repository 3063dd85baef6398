"""Encoder, pooling and head joined: padding never counts, and a text model answers strings."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from sftkeras.backbones import Backbone
from sftkeras.backbones.dropout import StreamDropout
from sftkeras.tasks import TextModel, attach_head
from sftkeras.tasks.classification.task import Classification
from sftkeras.tasks.network import TokenPooling
from sftkeras.text import TextFeatures, WordPiece

TOKENS = np.random.default_rng(4).normal(0, 3, (3, 5, 4)).astype(np.float32)
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]], np.int32)
POOLED = {
    "cls": lambda tokens: tokens[0],
    "mean": lambda tokens: tokens.mean(0),
    "max": lambda tokens: tokens.max(0),
}


@pytest.mark.parametrize("pooling", POOLED)
def test_pooling_leaves_padding_out(pooling: Any) -> None:
    expected = [POOLED[pooling](row[: mask.sum()]) for row, mask in zip(TOKENS, MASK, strict=True)]
    layer = TokenPooling(pooling)
    np.testing.assert_allclose(layer(TOKENS, MASK), expected, rtol=1e-6)
    other = np.where(MASK[:, :, None] == 1, TOKENS, 1e6).astype(np.float32)  # whatever stands in the padding
    np.testing.assert_allclose(layer(other, MASK), expected, rtol=1e-5)


@pytest.mark.parametrize("pooling", POOLED)
def test_a_row_of_padding_is_finite(pooling: Any) -> None:
    assert np.isfinite(TokenPooling(pooling)(TOKENS, MASK * 0)).all()


@pytest.mark.parametrize("pooling", POOLED)
def test_pooling_computes_in_float32(pooling: Any) -> None:
    assert TokenPooling(pooling)(tf.cast(TOKENS, tf.float16), MASK).dtype == tf.float32


def test_pooling_survives_its_config() -> None:
    assert TokenPooling.from_config(TokenPooling("max", name="p").get_config()).pooling == "max"


def small_backbone(has_pooler: bool) -> Backbone:
    """Token vectors are an embedding; the pooled vector is the first of them, doubled."""
    tokenizer = WordPiece(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad"], lowercase=True)
    inputs = {
        name: keras.Input((None,), dtype="int32", name=name) for name in ("token_ids", "segment_ids", "padding_mask")
    }
    tokens = keras.layers.Embedding(6, 4)(inputs["token_ids"])
    tokens = keras.layers.Dropout(0.1)(tokens)
    pooled = keras.layers.Rescaling(2.0, name="pooler")(tokens[:, 0])
    encoder = keras.Model(inputs, {"sequence_output": tokens, "pooled_output": pooled})
    return Backbone(encoder, tokenizer, 16, has_pooler, "hugging_face", {})


@pytest.mark.parametrize(
    ("pooling", "has_pooler", "uses_pooler"),
    [("cls", True, True), ("cls", False, False), ("mean", True, False), ("max", True, False)],
)
def test_cls_goes_through_the_encoders_pooler_where_there_is_one(
    pooling: Any, has_pooler: bool, uses_pooler: bool
) -> None:
    network = attach_head(small_backbone(has_pooler), Classification(("a", "b")), pooling)
    names = {layer.name for layer in network.layers}
    assert ("pooler" in names) == uses_pooler
    assert ("pooling" in names) != uses_pooler


def test_every_dropout_layer_draws_from_the_stream() -> None:
    network = attach_head(small_backbone(True), Classification(("a", "b")), "mean")
    layers = [layer for layer in network.layers if isinstance(layer, keras.layers.Dropout)]
    assert [type(layer) for layer in layers] == [StreamDropout] * 2
    assert {layer.layer_number for layer in layers} == {0, 1}


def test_a_text_model_answers_strings_as_its_parts_do() -> None:
    backbone = small_backbone(True)
    task = Classification(("a", "b"))
    model = TextModel(
        TextFeatures(backbone.tokenizer, max_length=8, pairs=True), attach_head(backbone, task, "mean"), task
    )
    texts, pairs = tf.constant(["good", "bad bad", ""]), tf.constant(["bad", "", ""])
    answers = model(texts, pairs)
    alone = [model(texts[row : row + 1], pairs[row : row + 1]) for row in range(3)]
    np.testing.assert_allclose(
        answers["probabilities"], tf.concat([answer["probabilities"] for answer in alone], 0), rtol=1e-5
    )
    none = model(tf.constant([], tf.string), tf.constant([], tf.string))
    assert none["probabilities"].shape == (0, 2)
