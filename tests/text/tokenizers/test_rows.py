"""Rows in few operations are the rows that TensorFlow's own functions give."""

from __future__ import annotations

import random

import pytest
import tensorflow as tf
import tensorflow_text as tf_text

from sftkeras.text.tokenizers import rows

ROWS = [
    [],
    [[]],
    [[], []],
    [["a"], [], ["bc", "", "d"], []],
    [[], ["x", "y"], ["z"]],
    [["".join(random.Random(seed).choices("ab c", k=seed % 5)) for _ in range(seed % 7)] for seed in range(40)],
]


def made(strings: list[list[str]]) -> tf.RaggedTensor:
    return tf.ragged.constant(strings, tf.string, ragged_rank=1, row_splits_dtype=tf.int64)


@pytest.mark.parametrize("strings", ROWS, ids=len)
def test_rows_are_as_tensorflow_counts_and_joins_them(strings: list[list[str]]) -> None:
    ragged = made(strings)
    assert rows.row_of_each(ragged).numpy().tolist() == ragged.value_rowids().numpy().tolist()
    assert rows.joined_texts(ragged).numpy().tolist() == tf.strings.reduce_join(ragged, -1).numpy().tolist()
    assert rows.one_in_each_row(ragged.values).to_list() == [[value] for value in ragged.values.numpy()]
    outer = rows.ragged(ragged, tf.constant([0, 0, len(strings)], tf.int64))
    assert rows.joined(outer).to_list() == outer.merge_dims(-2, -1).to_list()


@pytest.mark.parametrize("strings", ROWS, ids=len)
def test_a_value_is_added_at_the_end_of_the_rows_that_are_meant(strings: list[list[str]]) -> None:
    last = [f"last {row}" for row in range(len(strings))]
    which = [row % 3 != 1 for row in range(len(strings))]
    ragged, ends = made(strings), tf.constant(last, tf.string)
    assert rows.with_last(ragged, ends).to_list() == tf.concat([ragged, ends[:, tf.newaxis]], 1).to_list()
    some = tf.ragged.constant([[end] * wanted for end, wanted in zip(last, which, strict=True)], tf.string, 1)
    found = rows.with_last(ragged, ends, tf.constant(which, tf.bool))
    assert found.to_list() == tf.concat([ragged, tf.cast(some, tf.string)], 1).to_list()


@pytest.mark.parametrize("kept", ["", "b"])
def test_texts_are_split_as_tensorflow_text_splits_them(kept: str) -> None:
    texts = tf.constant([text for row in ROWS for text in map(" ".join, row)])
    ours = rows.split(texts, r"b|\s+", kept)
    for mine, theirs in zip(ours, tf_text.regex_split_with_offsets(texts, r"b|\s+", kept), strict=True):
        assert mine.to_list() == theirs.to_list()
        assert mine.row_splits.dtype == tf.int64


@pytest.mark.parametrize("sizes", [[], [0], [3], [0, 2, 0, 0, 1, 4, 0]], ids=len)
def test_values_are_found_and_counted_as_tensorflow_does(sizes: list[int]) -> None:
    counts = tf.constant(sizes, tf.int32)
    of_each = rows.numbers_of_sizes(counts, tf.reduce_sum(counts))
    assert of_each.dtype == tf.int32
    assert of_each.numpy().tolist() == tf.repeat(tf.range(len(sizes)), counts).numpy().tolist()
    assert rows.in_rows(of_each, of_each, tf.size(counts)).to_list() == [[row] * size for row, size in enumerate(sizes)]
    assert tf.gather(counts, rows.places_of(counts > 0)).numpy().tolist() == [size for size in sizes if size > 0]
    ascending, sought = tf.sort(counts), tf.constant([-1, 0, 1, 2, 9])
    for place, side in ((rows.first_at_least, "left"), (rows.first_above, "right")):
        found = place(ascending, sought, tf.int32)
        assert found.numpy().tolist() == tf.searchsorted(ascending, sought, side=side).numpy().tolist()
