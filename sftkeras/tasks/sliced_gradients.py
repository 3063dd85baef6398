"""Gradients of large tables as slices of rows, so that none is one array.

TensorFlow keeps the memory of arrays that are no longer needed for later ones that fit in. When the gradient of a large
table is made, the memory of a step's activations is free, in pieces of their sizes: slices fit in, the whole does not.
A gradient that comes from a lookup alone is never held but for the rows that were looked up.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

_SLICE_NUMBERS = 2**20  # in a slice of a gradient that is zero nearly everywhere, 4 MiB


class SlicedGradient(NamedTuple):
    """The gradient of a table [height, width], made by the slice.

    Only tensors are in it, so that TensorFlow's functions on nested tensors take it as one.

    Attributes:
        held: variant, a TensorList of slices [size, width] float32, the last may be shorter; none are set if they are
            zeros.
        size: scalar int32, the rows of a slice.
        rows: [rows] int32, rising, rows of the table that more is added to.
        values: [rows, width] float32, what is added there.
        squares: scalar float32, the sum of the squares of all numbers, before `factor`.
        factor: scalar float32, which all numbers are multiplied by.
    """

    held: tf.Tensor
    size: tf.Tensor
    rows: tf.Tensor
    values: tf.Tensor
    squares: tf.Tensor
    factor: tf.Tensor

    @property
    def norm(self) -> tf.Tensor:
        """The norm of the whole gradient, a scalar."""
        return tf.sqrt(self.squares) * self.factor

    def scaled(self, factor: tf.Tensor) -> SlicedGradient:
        """Return the gradient times a scalar."""
        return self._replace(factor=self.factor * factor)

    def slice(self, first: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
        """Return a slice, [end - first, width].

        Args:
            first: scalar int32, the slice's first row, a multiple of `size`.
            end: scalar int32, the row after its last.
        """
        shape = tf.stack([end - first, tf.shape(self.values)[1]])
        held = tf.raw_ops.TensorListGetItem(
            input_handle=self.held, index=first // self.size, element_shape=shape, element_dtype=tf.float32
        )
        part = tf.ensure_shape(held, [None, self.values.shape[1]]) * self.factor
        return _plus(part, first, self.rows, self.values * self.factor)


class SlicesOfTable:
    """Room for the gradient of a table in slices.

    Args:
        lookup: the gradient of the same table's lookup, which is added; None for none.
    """

    def __init__(self, lookup: tf.IndexedSlices | None) -> None:
        self._lookup = None if lookup is None else merged(lookup)

    def empty(self, table: tf.Tensor, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return room for the gradient of `table`, in `count` slices: what `put` and `filled` take."""
        return _reserved(table.shape[1], count), tf.constant(0.0)

    def put(
        self, room: tuple[tf.Tensor, tf.Tensor], number: tf.Tensor, first: tf.Tensor, part: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the room with a slice in it, the rows from `first` on."""
        held, squares = room
        if self._lookup:
            part = _plus(part, first, *self._lookup)
        held = tf.raw_ops.TensorListSetItem(input_handle=held, index=number, item=part)
        return held, squares + 2 * tf.nn.l2_loss(part)

    def filled(self, room: tuple[tf.Tensor, tf.Tensor], table: tf.Tensor, size: tf.Tensor) -> SlicedGradient:
        """Return the gradient, once all slices of `size` rows are there."""
        held, squares = room
        none = tf.zeros([0, table.shape[1]])
        return SlicedGradient(held, size, tf.zeros([0], tf.int32), none, squares, tf.constant(1.0))


class WholeTable:
    """Room for the gradient of a table in one array, for whoever adds it up with others."""

    def empty(self, table: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        """Return room for the gradient of `table`: what `put` and `filled` take."""
        # Unlike zeros, what `Empty` makes is never taken for another equal tensor.
        return tf.raw_ops.Empty(shape=tf.shape(table), dtype=table.dtype, init=True)

    def put(self, room: tf.Tensor, number: tf.Tensor, first: tf.Tensor, part: tf.Tensor) -> tf.Tensor:
        """Return the room with a slice in it, in place: any other operation copies the whole."""
        return tf.raw_ops.InplaceUpdate(x=room, i=first + tf.range(tf.shape(part)[0]), v=part)

    def filled(self, room: tf.Tensor, table: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
        """Return the gradient, once all slices are there."""
        return tf.ensure_shape(room, table.shape)


Room = SlicesOfTable | WholeTable


def sliced_lookup(gradient: tf.IndexedSlices, shape: tf.TensorShape) -> SlicedGradient:
    """Return the gradient of a lookup in slices, all zeros but for the rows that were looked up.

    Args:
        gradient: of the table; rows may repeat.
        shape: the table's.
    """
    height, width = shape
    size = max(1, _SLICE_NUMBERS // width)
    rows, values = merged(gradient)
    return SlicedGradient(
        _reserved(width, -(-height // size)),
        tf.constant(size),
        rows,
        values,
        2 * tf.nn.l2_loss(values),
        tf.constant(1.0),
    )


def merged(gradient: tf.IndexedSlices) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the rows of a gradient, each once and rising, [rows] int32, and the sums of their values."""
    rows, _ = tf.unique(tf.sort(tf.cast(gradient.indices, tf.int32)))
    place = tf.searchsorted(rows, tf.cast(gradient.indices, tf.int32))
    return rows, tf.math.unsorted_segment_sum(gradient.values, place, tf.size(rows))


def _plus(part: tf.Tensor, first: tf.Tensor, rows: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """A slice that begins at row `first`, plus the values of the rows that are in it; in place."""
    begin, end = tf.unstack(tf.searchsorted(rows, tf.stack([first, first + tf.shape(part)[0]])))
    return tf.raw_ops.InplaceAdd(x=part, i=rows[begin:end] - first, v=values[begin:end])


def _reserved(width: int, count: tf.Tensor | int) -> tf.Tensor:
    """A TensorList for slices; what is not set reads as zeros."""
    return tf.raw_ops.TensorListReserve(element_shape=[-1, width], num_elements=count, element_dtype=tf.float32)
