"""Both texts of a pair are kept in one row, and come out as the model inputs that each has by itself."""

from __future__ import annotations

import numpy as np
import pytest

from sftkeras import runtime

runtime.start_tensorflow()

import tensorflow as tf  # noqa: E402

from sftkeras.tasks.similarity.features import (  # noqa: E402
    BiEncoderFeatures,
    rows_of_texts,
)
from sftkeras.text import TextFeatures, WordPiece  # noqa: E402

LETTERS = "abcdefgh"
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *LETTERS, *(f"##{letter}" for letter in LETTERS)]
SINGLE = TextFeatures(WordPiece(VOCABULARY, lowercase=True), max_length=6, pairs=False)
FEATURES = BiEncoderFeatures(SINGLE)
TEXTS, SECOND_TEXTS = ["a", "a b c d e f g", "", "h g"], ["b c d", "e", "f", "h g"]


def cached() -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """A batch of all rows as the token cache gives it, the rows' lengths, and those before they were cut."""
    features, untruncated = FEATURES.encode_arrays(TEXTS, SECOND_TEXTS)
    lengths = next(iter(features.values()))[1]
    mask = np.arange(lengths.max()) < lengths[:, None]
    batch = {}
    for name, (values, of_feature) in features.items():
        np.testing.assert_array_equal(of_feature, lengths)
        batch[name] = np.zeros(mask.shape, np.int32)
        batch[name][mask] = values
    return batch, lengths, untruncated


def test_a_row_is_as_long_as_its_longer_text() -> None:
    _, lengths, untruncated = cached()
    assert lengths.tolist() == [5, 6, 3, 4]
    assert untruncated.tolist() == [5, 9, 3, 4]


def test_texts_come_out_of_the_cache_as_they_are_by_themselves() -> None:
    batch, _, _ = cached()
    rows = rows_of_texts(batch)
    both = [text for pair in zip(TEXTS, SECOND_TEXTS, strict=True) for text in pair]
    expected = {name: tensor.numpy() for name, tensor in SINGLE(tf.constant(both)).items()}
    assert set(rows) == set(expected)
    mask = expected["padding_mask"]
    for name, array in rows.items():
        np.testing.assert_array_equal(array[:, : mask.shape[1]] * mask, expected[name] * mask, err_msg=name)
    np.testing.assert_array_equal(rows["padding_mask"], mask)


def test_what_is_served_takes_single_texts() -> None:
    assert not FEATURES.pairs
    found, expected = FEATURES(tf.constant(TEXTS)), SINGLE(tf.constant(TEXTS))
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found[name], tensor)
    assert FEATURES.show({name: tensor.numpy() for name, tensor in found.items()}, 0).startswith("[CLS] a [SEP]")


def test_the_cache_is_not_that_of_single_texts_or_of_pairs_read_together() -> None:
    together = TextFeatures(WordPiece(VOCABULARY, lowercase=True), max_length=6, pairs=True)
    assert len({FEATURES.fingerprint, SINGLE.fingerprint, together.fingerprint}) == 3


def test_pairs_are_needed_for_the_cache_and_refused_when_served() -> None:
    with pytest.raises(ValueError, match="pairs of texts"):
        FEATURES.encode_arrays(TEXTS)
    with pytest.raises(ValueError, match="single texts"):
        FEATURES(tf.constant(TEXTS), tf.constant(SECOND_TEXTS))
