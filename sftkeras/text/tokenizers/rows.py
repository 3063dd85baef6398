"""Ragged rows in few operations: what `tf.RaggedTensor` and `tf_text` give, without checks of what cannot be otherwise.

Each such check is a condition with two functions of its own, and `value_rowids` alone takes sixty operations. They were
most of a tokenizer's graph, and so of the time to trace, save, load and optimise it.
"""

from __future__ import annotations

import tensorflow as tf
from tensorflow_text.python.ops.regex_split_ops import gen_regex_split_ops


def ragged(values: tf.Tensor | tf.RaggedTensor, splits: tf.Tensor) -> tf.RaggedTensor:
    """The rows of `values` [values, …] that end at `splits` [rows + 1] int64, the first of which is 0."""
    return tf.RaggedTensor.from_row_splits(values, splits, validate=False)


def one_in_each_row(values: tf.Tensor) -> tf.RaggedTensor:
    """Rows of one value each, [values, (1)], of `values` [values]."""
    return ragged(values, tf.range(tf.size(values, tf.int64) + 1))


def in_rows(values: tf.Tensor, rows: tf.Tensor, count: tf.Tensor) -> tf.RaggedTensor:
    """Rows of `values` [values], of each of which `rows` has the number of its row, ascending."""
    return ragged(values, first_at_least(rows, tf.range(tf.cast(count, rows.dtype) + 1)))


def first_at_least(ascending: tf.Tensor, values: tf.Tensor, out_type: tf.DType = tf.int64) -> tf.Tensor:
    """The first place in `ascending` [n] of what is as large as each of `values` [values]; n if there is none."""
    table, sought = tf.expand_dims(ascending, 0), tf.expand_dims(values, 0)
    return tf.squeeze(tf.raw_ops.LowerBound(sorted_inputs=table, values=sought, out_type=out_type), 0)


def first_above(ascending: tf.Tensor, values: tf.Tensor, out_type: tf.DType = tf.int64) -> tf.Tensor:
    """The first place in `ascending` [n] of what is larger than each of `values` [values]; n if there is none."""
    table, sought = tf.expand_dims(ascending, 0), tf.expand_dims(values, 0)
    return tf.squeeze(tf.raw_ops.UpperBound(sorted_inputs=table, values=sought, out_type=out_type), 0)


def places_of(flags: tf.Tensor) -> tf.Tensor:
    """Places where `flags` [n] bool are set, [places] int64. Gathered there is what `tf.boolean_mask` gives."""
    return tf.squeeze(tf.where(flags), 1)


def numbers_of_sizes(sizes: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """The number of each row as often as it has values, [values] int32; see `tf.repeat`.

    Args:
        sizes: [rows] int32.
        count: how many values all rows have, int32.
    """
    return first_above(tf.cumsum(sizes), tf.range(count), tf.int32)


def row_of_each(rows: tf.RaggedTensor) -> tf.Tensor:
    """The number of the row of each value, [values] int64; see `tf.RaggedTensor.value_rowids`."""
    splits = rows.row_splits
    return first_above(splits, tf.range(splits[-1])) - 1


def joined(rows: tf.RaggedTensor) -> tf.RaggedTensor:
    """The values of rows of rows, [batch, (rows), (values)], as [batch, (values)]; see `merge_dims`."""
    inner = rows.values
    return ragged(inner.values, tf.gather(inner.row_splits, rows.row_splits))


def joined_texts(rows: tf.RaggedTensor) -> tf.Tensor:
    """The strings of each row, [batch, (strings)], as one, [batch] string."""
    return tf.strings.unsorted_segment_join(rows.values, row_of_each(rows), rows.nrows())


def with_first(rows: tf.RaggedTensor, first: tf.Tensor, which: tf.Tensor) -> tf.RaggedTensor:
    """Adds a value at the begin of some rows.

    Args:
        rows: [batch, (values)].
        first: [batch], the value of each row.
        which: [batch] bool, the rows that get theirs.
    """
    splits = rows.row_splits
    before = tf.concat([[0], tf.cumsum(tf.cast(which, tf.int64))], 0)  # [batch + 1]: how many are added before each row
    old = tf.range(splits[-1]) + tf.gather(before, row_of_each(rows) + 1)
    wanted = places_of(which)
    new = tf.gather(splits + before, wanted)
    places = [tf.cast(old, tf.int32), tf.cast(new, tf.int32)]
    return ragged(tf.dynamic_stitch(places, [rows.values, tf.gather(first, wanted)]), splits + before)


def with_last(rows: tf.RaggedTensor, last: tf.Tensor, which: tf.Tensor | None = None) -> tf.RaggedTensor:
    """Adds a value at the end of rows.

    Args:
        rows: [batch, (values)].
        last: [batch], the value of each row.
        which: [batch] bool, the rows that get theirs; None for all.
    """
    splits = rows.row_splits
    added = tf.ones_like(splits[1:]) if which is None else tf.cast(which, tf.int64)
    before = tf.concat([[0], tf.cumsum(added)], 0)  # [batch + 1]: how many are added before each row
    old = tf.range(splits[-1]) + tf.gather(before, row_of_each(rows))
    new = splits[1:] + before[:-1]
    if which is not None:
        wanted = places_of(which)
        new, last = tf.gather(new, wanted), tf.gather(last, wanted)
    values = tf.dynamic_stitch([tf.cast(old, tf.int32), tf.cast(new, tf.int32)], [rows.values, last])
    return ragged(values, splits + before)


def split(texts: tf.Tensor, at: str, kept: str = "") -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
    """Splits texts [batch] string; see `tf_text.regex_split_with_offsets`.

    Args:
        texts: the texts.
        at: what they are split at, as a regular expression in RE2's notation.
        kept: which of that is a part itself; nothing if empty.

    Returns:
        The parts, and the bytes where each begins and ends, [batch, (parts)] string and int64.
    """
    parts, begins, ends, splits = gen_regex_split_ops.regex_split_with_offsets(texts, f"({at})", f"({kept})")
    rows = ragged(parts, splits)
    return rows, rows.with_values(begins), rows.with_values(ends)
