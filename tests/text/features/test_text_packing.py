"""Special tokens, truncation and padding, against the same in plain Python."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from sftkeras.text import TextFeatures, WordPiece
from sftkeras.text.features.packing import Layout, pack

START, END = 101, 102
BERT = Layout(START, END)
ROBERTA = Layout(START, END, pad=1, ends_between=2, segments=False)
Row = list[int]
Inputs = dict[str, tf.Tensor]

tokens = st.lists(st.integers(1, 99), max_size=12)
pairs = st.lists(st.tuples(tokens, tokens), max_size=40)


def cut_longest_first(first: Row, second: Row, most: int) -> tuple[Row, Row]:
    """Takes tokens off the end of the longer text, one by one; of two equally long ones, off the second."""
    first, second = list(first), list(second)
    while len(first) + len(second) > most:
        (first if len(first) > len(second) else second).pop()
    return first, second


def ragged(rows: list[Row]) -> tf.RaggedTensor:
    return tf.RaggedTensor.from_row_lengths(
        np.array([token for row in rows for token in row], np.int32), [len(row) for row in rows]
    )


def without_padding(inputs: Inputs, name: str) -> list[Row]:
    masks = inputs["padding_mask"].numpy().astype(bool)
    return [numbers[mask].tolist() for numbers, mask in zip(inputs[name].numpy(), masks, strict=True)]


@settings(max_examples=30, deadline=None)
@given(st.lists(tokens, max_size=40), st.integers(3, 16))
def test_one_text_stands_between_start_and_end(rows: list[Row], max_length: int) -> None:
    packed, untruncated = pack(ragged(rows), None, layout=BERT, max_length=max_length)
    expected = [[START, *row[: max_length - 2], END] for row in rows]
    assert without_padding(packed, "token_ids") == expected
    assert without_padding(packed, "segment_ids") == [[0] * len(row) for row in expected]
    assert untruncated.numpy().tolist() == [len(row) + 2 for row in rows]
    assert max(map(len, expected), default=0) <= max_length


@settings(max_examples=40, deadline=None)
@given(pairs, st.integers(5, 20))
def test_a_pair_loses_tokens_from_its_longer_text_first(rows: list[tuple[Row, Row]], max_length: int) -> None:
    first, second = ragged([row[0] for row in rows]), ragged([row[1] for row in rows])
    packed, untruncated = pack(first, second, layout=BERT, max_length=max_length)
    cut = [cut_longest_first(*row, max_length - 3) for row in rows]
    assert without_padding(packed, "token_ids") == [[START, *a, END, *b, END] for a, b in cut]
    assert without_padding(packed, "segment_ids") == [[0] * (len(a) + 2) + [1] * (len(b) + 1) for a, b in cut]
    assert untruncated.numpy().tolist() == [len(a) + len(b) + 3 for a, b in rows]
    assert packed["token_ids"].shape[1] <= max_length


@settings(max_examples=30, deadline=None)
@given(st.lists(tokens, max_size=40))
def test_padding_fills_with_zeros_and_the_mask_tells_tokens(rows: list[Row]) -> None:
    padded, _ = pack(ragged(rows), None, layout=BERT, max_length=20)
    length = max((len(row) + 2 for row in rows), default=0)
    assert set(padded) == {"token_ids", "segment_ids", "padding_mask"}
    assert {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in padded.items()} == dict.fromkeys(
        padded, (tf.int32, (len(rows), length))
    )
    for row, numbers, mask in zip(rows, padded["token_ids"].numpy(), padded["padding_mask"].numpy(), strict=True):
        size = len(row) + 2
        assert mask.tolist() == [1] * size + [0] * (length - size)
        assert numbers.tolist() == [START, *row, END] + [0] * (length - size)


def test_padding_has_the_number_it_is_given() -> None:
    padded, _ = pack(ragged([[7], [8, 9]]), None, layout=Layout(START, END, 5), max_length=20)
    assert padded["token_ids"].numpy().tolist() == [[START, 7, END, 5], [START, 8, 9, END]]


@settings(max_examples=30, deadline=None)
@given(pairs, st.integers(6, 20))
def test_a_layout_may_have_two_ends_between_texts_and_no_segments(rows: list[tuple[Row, Row]], max_length: int) -> None:
    first, second = ragged([row[0] for row in rows]), ragged([row[1] for row in rows])
    packed, untruncated = pack(first, second, layout=ROBERTA, max_length=max_length)
    cut = [cut_longest_first(list(a), list(b), max_length - 4) for a, b in rows]
    assert without_padding(packed, "token_ids") == [[START, *a, END, END, *b, END] for a, b in cut]
    assert not packed["segment_ids"].numpy().any()
    assert untruncated.numpy().tolist() == [len(a) + len(b) + 4 for a, b in rows]
    assert (packed["token_ids"].numpy()[packed["padding_mask"].numpy() == 0] == 1).all()


@pytest.mark.parametrize(("layout", "counts"), [(BERT, (2, 3)), (ROBERTA, (2, 4))])
def test_a_layout_tells_how_many_special_tokens_a_row_has(layout: Layout, counts: tuple[int, int]) -> None:
    assert tuple(layout.specials(texts) for texts in (1, 2)) == counts


@pytest.fixture(scope="module")
def tokenizer() -> WordPiece:
    return WordPiece(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "##b"], lowercase=True)


@pytest.mark.parametrize("pairs", [False, True])
def test_an_empty_batch_has_features_of_no_rows(tokenizer: WordPiece, pairs: bool) -> None:
    empty = tf.constant([], tf.string)
    features = TextFeatures(tokenizer, max_length=8, pairs=pairs)(empty, empty if pairs else None)
    assert {tuple(tensor.shape) for tensor in features.values()} == {(0, 0)}


def test_cached_arrays_are_the_features_without_padding(tokenizer: WordPiece) -> None:
    features = TextFeatures(tokenizer, max_length=6, pairs=True)
    first, second = ["a", "a a a a a a", ""], ["b", "b b b b", ""]
    arrays, untruncated = features.encode_arrays(first, second)
    padded = features(tf.constant(first), tf.constant(second))
    mask = padded["padding_mask"].numpy().astype(bool)
    for name, (values, lengths) in arrays.items():
        assert values.tolist() == padded[name].numpy()[mask].tolist()
        assert lengths.tolist() == mask.sum(1).tolist() == [5, 6, 3]
    assert untruncated.tolist() == [5, 13, 3]


def test_the_fingerprint_tells_length_and_pairs(tokenizer: WordPiece) -> None:
    settings = [(8, False), (9, False), (8, True)]
    assert len({TextFeatures(tokenizer, max_length=m, pairs=p).fingerprint for m, p in settings}) == len(settings)
