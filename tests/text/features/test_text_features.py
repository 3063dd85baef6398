"""Features: single texts and pairs are not mixed up, and texts pass through untouched where the encoder reads them."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from sftkeras.errors import SFTError
from sftkeras.text import RawTextFeatures, TextFeatures, WordPiece, make_features

TOKENIZER = WordPiece(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad"], lowercase=True)
TEXTS = tf.constant(["good bad", "bad"])


def test_features_of_pairs_want_second_texts() -> None:
    with pytest.raises(ValueError, match="made for pairs"):
        TextFeatures(TOKENIZER, max_length=8, pairs=True)(TEXTS)


def test_features_of_single_texts_want_no_second() -> None:
    with pytest.raises(ValueError, match="made for single texts"):
        TextFeatures(TOKENIZER, max_length=8, pairs=False)(TEXTS, TEXTS)
    with pytest.raises(ValueError, match="single texts"):
        RawTextFeatures()(TEXTS, TEXTS)


def test_raw_texts_pass_through() -> None:
    features = make_features(None, max_length=8, pairs=False)
    assert features.max_length is None
    odd = tf.constant([b"  caf\xc3\xa9\n", b"", b"\xff"])
    inputs = features(odd)
    assert inputs.keys() == {"text"}
    np.testing.assert_array_equal(inputs["text"], odd)


def test_pairs_of_raw_texts_are_refused() -> None:
    with pytest.raises(SFTError, match=r"SFT370 .*--data\.pair"):
        make_features(None, max_length=8, pairs=True)


def test_a_row_is_shown_as_its_pieces() -> None:
    features = make_features(TOKENIZER, max_length=8, pairs=False)
    inputs = {name: tensor.numpy() for name, tensor in features(TEXTS).items()}
    assert features.show(inputs, 0) == "[CLS] good bad [SEP]  (+ 0 padding)"
    assert features.show(inputs, 1) == "[CLS] bad [SEP]  (+ 1 padding)"
    raw = make_features(None, max_length=8, pairs=False)
    assert raw.show({"text": np.array(["good bad"], object)}, 0) == "good bad"
