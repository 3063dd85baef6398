"""A companion preprocessor gives our features what it gives anybody, token for token."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from backbones.hub_modules import LENGTH

from sftkeras.backbones.tfhub.preprocessor import fingerprint_of, load_preprocessor
from sftkeras.errors import SFTError
from sftkeras.text import ModulePreprocessor, TextFeatures, make_features

TEXTS = [
    "the good film",
    "",
    " \t\n",
    "Café DÉJÀ-vu! the Movie's plot...",
    "这部电影 good 日本語",
    "bell\x07, zero\u200bwidth, \ufeffmark \ufffd",
    "[CLS] [SEP] [MASK] [PAD]",
    "x" * 300,
    "the great cast " * 60,
]
SECOND = [*TEXTS[3:], *TEXTS[:3]]
NAMES = {"token_ids": "input_word_ids", "segment_ids": "input_type_ids", "padding_mask": "input_mask"}
KINDS = {"word pieces": "preprocessor_folder", "SentencePiece": "sentence_piece_preprocessor_folder"}


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(KINDS[request.param])


@pytest.fixture(scope="module")
def module(folder: Path) -> Any:
    """The module as anybody loads it."""
    return tf.saved_model.load(str(folder))


@pytest.fixture(scope="module")
def preprocessor(folder: Path) -> ModulePreprocessor:
    return load_preprocessor(folder)


def padded(inputs: dict[str, tf.Tensor], length: int) -> dict[str, np.ndarray]:
    return {name: np.pad(tensor, [(0, 0), (0, length - tensor.shape[1])]) for name, tensor in inputs.items()}


def assert_equal(inputs: dict[str, tf.Tensor], theirs: dict[str, tf.Tensor]) -> None:
    assert inputs.keys() == NAMES.keys()
    length = theirs["input_word_ids"].shape[1]
    for name, array in padded(inputs, length).items():
        assert array.dtype == np.int32
        np.testing.assert_array_equal(array, theirs[NAMES[name]], err_msg=name)


def test_tokens_are_the_modules_own(module: Any, preprocessor: ModulePreprocessor) -> None:
    inputs = TextFeatures(preprocessor, max_length=LENGTH, pairs=False)(tf.constant(TEXTS))
    assert_equal(inputs, module(tf.constant(TEXTS)))


@pytest.mark.parametrize("length", [5, 16, 40])
def test_pairs_are_packed_as_the_module_packs_them(module: Any, preprocessor: ModulePreprocessor, length: int) -> None:
    tokens = [module.tokenize(tf.constant(texts)) for texts in (TEXTS, SECOND)]
    expected = module.bert_pack_inputs(tokens, seq_length=tf.constant(length))
    features = make_features(preprocessor, max_length=length, pairs=True)
    assert_equal(features(tf.constant(TEXTS), tf.constant(SECOND)), expected)


def test_columns_that_are_all_padding_are_left_out(preprocessor: ModulePreprocessor) -> None:
    features = TextFeatures(preprocessor, max_length=64, pairs=False)
    inputs = features(tf.constant(["good", "the good film"]))
    assert inputs["padding_mask"].numpy().sum(1).max() == inputs["padding_mask"].shape[1]
    none = features(tf.constant([], tf.string))
    assert none["token_ids"].shape[0] == 0


def test_lengths_before_truncation_are_counted(module: Any, preprocessor: ModulePreprocessor) -> None:
    rows = module.tokenize(tf.constant(TEXTS))
    rows = rows.merge_dims(1, -1) if rows.ragged_rank > 1 else rows
    features = TextFeatures(preprocessor, max_length=8, pairs=False)
    arrays, untruncated = features.encode_arrays(TEXTS)
    np.testing.assert_array_equal(untruncated, rows.row_lengths().numpy() + 2)
    np.testing.assert_array_equal(arrays["token_ids"][1], np.minimum(untruncated, 8))


def test_the_fingerprint_is_that_of_the_files(folder: Path, tmp_path: Path, preprocessor: ModulePreprocessor) -> None:
    moved = Path(shutil.copytree(folder, tmp_path / "moved"))
    assert load_preprocessor(moved).fingerprint == preprocessor.fingerprint
    (moved / "assets").mkdir(exist_ok=True)
    (moved / "assets" / "vocab.txt").write_text("other\n")
    assert fingerprint_of(moved) != preprocessor.fingerprint


class Whole:
    """A preprocessor without parts, as its features see it: texts of fixed length, cut by their letters."""

    length = 6

    def __call__(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        sizes = tf.minimum(tf.strings.length(texts) + 2, self.length)
        mask = tf.sequence_mask(sizes, self.length, dtype=tf.int64)
        return {"input_word_ids": 3 * mask, "input_mask": mask, "input_type_ids": 0 * mask}


@pytest.fixture
def whole() -> Any:
    return ModulePreprocessor(Whole(), "whole")


def test_a_preprocessor_without_parts_is_called_as_a_whole(whole: ModulePreprocessor) -> None:
    features = make_features(whole, max_length=10, pairs=False)
    inputs = features(tf.constant(["a", "ab"]))
    np.testing.assert_array_equal(inputs["padding_mask"], [[1, 1, 1, 0], [1, 1, 1, 1]])
    np.testing.assert_array_equal(inputs["token_ids"], [[3, 3, 3, 0], [3, 3, 3, 3]])
    assert features.encode_arrays(["a", "abcdefgh"])[1].tolist() == [3, 6]


def test_what_a_whole_preprocessor_cannot_do_is_refused(whole: ModulePreprocessor) -> None:
    with pytest.raises(SFTError, match=r"SFT373 .*--backbone.max_length 5: .* 6"):
        make_features(whole, max_length=5, pairs=False)
    with pytest.raises(SFTError, match=r"SFT374 .*--data.pair"):
        make_features(whole, max_length=8, pairs=True)
