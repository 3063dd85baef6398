"""`sftkeras.load_backbone`: an encoder and its tokenizer for plain Keras, with a head of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from backbones.hub_modules import write_text_module
from backbones.tiny_folders import Checkpoint
from tiny_bert import reviews

import sftkeras
from sftkeras.api.pretrained import PretrainedBackbone
from sftkeras.errors import SFTError

TEXTS = [text for text, _ in reviews()]
LABELS = np.array([label == "positive" for _, label in reviews()], np.int32)


@pytest.fixture(scope="module")
def backbone(tiny_bert_folder: Path) -> PretrainedBackbone:
    return sftkeras.load_backbone(str(tiny_bert_folder), max_length=16, dropout=0.0)


def with_head(backbone: PretrainedBackbone) -> keras.Model:
    vectors = backbone.model.output["sequence_output"]
    outputs = keras.layers.Dense(2, activation="softmax")(vectors[:, 0])
    model = keras.Model(backbone.model.input, outputs)
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_a_head_of_ones_own_learns_by_plain_keras(tiny_bert_folder: Path, tmp_path: Path) -> None:
    backbone = sftkeras.load_backbone(tiny_bert_folder, max_length=16)
    model = with_head(backbone)
    before = [np.array(weight) for weight in backbone.model.trainable_weights]
    losses = model.fit(backbone.tokenizer(TEXTS), LABELS, batch_size=8, epochs=6, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 2
    changed = [not np.array_equal(*both) for both in zip(before, backbone.model.trainable_weights, strict=True)]
    assert sum(changed) >= len(changed) - 2  # all but the pooler, which this head does not use
    model.save(tmp_path / "own.keras")
    again = keras.saving.load_model(tmp_path / "own.keras")
    np.testing.assert_array_equal(again(backbone.tokenizer(TEXTS[:3])), model(backbone.tokenizer(TEXTS[:3])))


def test_texts_are_tokenised_within_a_pipeline(backbone: PretrainedBackbone) -> None:
    rows = tf.data.Dataset.from_tensor_slices((TEXTS, LABELS)).batch(8)
    rows = rows.map(lambda texts, labels: (backbone.tokenizer(texts), labels)).prefetch(tf.data.AUTOTUNE)
    history = with_head(backbone).fit(rows, epochs=2, shuffle=False, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    first, _ = next(iter(rows))
    for name, tensor in backbone.tokenizer(TEXTS[:8]).items():
        np.testing.assert_array_equal(tensor, first[name])


@pytest.mark.parametrize(
    "texts", [TEXTS[:2], tuple(TEXTS[:2]), np.array(TEXTS[:2]), np.array(TEXTS[:2], object), tf.constant(TEXTS[:2])]
)
def test_any_column_of_texts_is_a_batch(texts: Any, backbone: PretrainedBackbone) -> None:
    inputs = backbone.tokenizer(texts)
    assert list(inputs) == list(backbone.model.input)
    for name, tensor in inputs.items():
        np.testing.assert_array_equal(tensor, backbone.tokenizer(TEXTS[:2])[name])
    assert {tensor.dtype for tensor in inputs.values()} == {tf.int32}


def test_long_texts_are_cut_and_pairs_share_a_row(backbone: PretrainedBackbone) -> None:
    assert backbone.tokenizer(["good " * 50, "bad"])["token_ids"].shape == (2, 16)
    inputs = backbone.tokenizer(["good"], pairs=["bad film"])
    assert inputs["segment_ids"].numpy().sum() > 0
    assert set(backbone.model(inputs)) == {"sequence_output", "pooled_output"}


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ("good", "one text"),
        (tf.constant("good"), "one text"),
        ([["good"]], "a tensor of 2 axes"),
        ([1, 2], "something else than strings"),
        (tf.constant([1]), "a tensor of int32"),
    ],
)
def test_what_is_no_batch_of_texts_is_refused(texts: Any, found: str, backbone: PretrainedBackbone) -> None:
    with pytest.raises(SFTError, match=f"SFT127  the tokenizer got {found}"):
        backbone.tokenizer(texts)


def test_an_encoder_without_segments_takes_the_same_inputs(tmp_path: Path) -> None:
    loaded = sftkeras.load_backbone(Checkpoint("distilbert").write(tmp_path / "weights"), max_length=8)
    assert set(loaded.model(loaded.tokenizer(["good", "bad"]))) == {"sequence_output", "pooled_output"}


def test_the_encoder_of_a_run_is_the_trained_one(finished: sftkeras.Run) -> None:
    loaded = sftkeras.load_backbone(finished.folder, max_length=16)
    trained = finished.model.get_layer("token_embedding").get_weights()[0]
    np.testing.assert_array_equal(loaded.model.get_layer("token_embedding").get_weights()[0], trained)


def test_a_module_that_reads_texts_itself_is_trained_as_it_is(tmp_path: Path) -> None:
    loaded = sftkeras.load_backbone(write_text_module(tmp_path / "module"), max_length=8)
    assert list(loaded.model.input) == ["text"]
    outputs = keras.layers.Dense(2, activation="softmax")(loaded.model.output["pooled_output"])
    model = keras.Model(loaded.model.input, outputs)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(loaded.tokenizer(TEXTS[:8]), LABELS[:8], verbose=0)
    with pytest.raises(SFTError, match="SFT370"):
        loaded.tokenizer(["a"], pairs=["b"])


def test_a_handle_that_leads_nowhere_is_named() -> None:
    with pytest.raises(SFTError, match="SFT30"):
        sftkeras.load_backbone("no/such/folder")
