"""A backbone that keeps some of its tokens computes the same for texts of these."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tiny_decoder_tokenizers import tiny_tokenizer, write_tokenizer
from tiny_decoders import TinyDecoder, batch
from tiny_folders import MODEL_TYPES, Checkpoint, write_keras_hub

from sftkeras.backbones import Backbone, load_backbone
from sftkeras.backbones.fewer_tokens import keep_tokens, write_tokenizer_of
from sftkeras.text import make_features
from sftkeras.text.tokenizers.trimming import tokens_to_keep

TEXTS = ["good film", "a film.", "good"]


def kept_by(backbone: Backbone, texts: list[str]) -> np.ndarray:
    return tokens_to_keep(backbone.tokenizer, set(backbone.tokenizer(tf.constant(texts)).flat_values.numpy().tolist()))


def encoded(backbone: Backbone) -> np.ndarray:
    features = make_features(backbone.tokenizer, max_length=8, pairs=False)(tf.constant(TEXTS))
    given = {name: features[name] for name in backbone.model.input}
    return backbone.model(given)["sequence_output"].numpy()


def rebuilt(backbone: Backbone, folder: Path) -> Backbone:
    """Built again from its small files, as a run does it."""
    new = load_backbone(folder, max_length=8, without_weights="hugging_face")
    new.model.set_weights(backbone.model.get_weights())
    return new


def write(kind: str, folder: Path) -> None:
    write_keras_hub(folder) if kind == "keras_hub" else Checkpoint(kind).write(folder)


@pytest.mark.parametrize("kind", [*MODEL_TYPES, "keras_hub"])
def test_an_encoder_computes_the_same_for_texts_of_its_tokens(kind: str, tmp_path: Path) -> None:
    write(kind, tmp_path / "whole")
    (tmp_path / "small").mkdir()
    whole = load_backbone(tmp_path / "whole", max_length=8)
    before, rows = encoded(whole), whole.token_embedding.input_dim
    kept = kept_by(whole, TEXTS)
    tokenizer = write_tokenizer_of(whole, kept, tmp_path / "small")
    small = keep_tokens(whole, kept, tokenizer, tmp_path / "small")
    assert small.token_embedding.input_dim == len(kept) < rows
    np.testing.assert_array_equal(encoded(small), before)
    again = rebuilt(small, tmp_path / "small")
    assert again.parameters == small.parameters
    np.testing.assert_array_equal(encoded(again), before)


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_a_decoder_gives_the_same_logits_of_the_tokens_it_keeps(name: str, tmp_path: Path) -> None:
    size = tiny_tokenizer("smollm2").get_vocab_size()
    folder, files = TinyDecoder(name).write(tmp_path / "whole", tokens=size), tmp_path / "small"
    write_tokenizer(folder, "smollm2")
    files.mkdir()
    whole = load_backbone(folder, max_length=8)
    kept = kept_by(whole, TEXTS)
    new = {int(number): place for place, number in enumerate(kept)}
    rows = [row.numpy() for row in whole.tokenizer(tf.constant(TEXTS))]
    before = logits(whole, rows)
    tokenizer = write_tokenizer_of(whole, kept, files)
    small = keep_tokens(whole, kept, tokenizer, files)
    rows = [np.array([new[number] for number in row], np.int32) for row in rows]
    assert [row.tolist() for row in rows] == small.tokenizer(tf.constant(TEXTS)).to_list()
    np.testing.assert_allclose(logits(small, rows), before[..., kept], atol=1e-6)
    again = replace(rebuilt(small, files), tokenizer=tokenizer)
    if not again.model.config.tied:
        again.model.output_layer.set_weights(small.model.output_layer.get_weights())
    np.testing.assert_allclose(logits(again, rows), before[..., kept], atol=1e-6)


def logits(backbone: Backbone, rows: list[np.ndarray]) -> np.ndarray:
    given = {name: tf.constant(array) for name, array in batch(rows).items()}
    return backbone.model.logits(backbone.model(given)["sequence_output"]).numpy()
