"""Gradients of large tables, made a slice of rows at a time, so that none is one array.

What updates a table takes one slice after the other. Before the first, it must know the norm of them all; so slices are
made twice, but for some that are held from the first time. Memory does not grow with the table then. A gradient that
comes from a lookup alone is never held but for the rows that were looked up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import tensorflow as tf

_MOST_HELD = 2**25  # numbers in the slices of a gradient that are made once: 128 MiB; 58,000 rows of 576 are all held
_SLICE_NUMBERS = 2**20  # in a slice that takes little but its own memory, 4 MiB

# Given the number of a slice, scalar int32, and these rows of the table, [rows, width] float32, makes the same rows of
# the gradient, in memory that nobody else reads. It may be called again after other slices of the table have changed.
MakeSlice = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@dataclass(frozen=True, eq=False)
class UnmadeGradient:
    """A way to make the gradient of a table, of which no number needs to be zero.

    Attributes:
        count: scalar int32, the number of slices.
        size: scalar int32, the rows of a slice; the last may be shorter, none is empty.
        make: makes a slice.
    """

    count: tf.Tensor
    size: tf.Tensor
    make: MakeSlice

    def whole(self, table: tf.Tensor) -> tf.Tensor:
        """Return the gradient of `table` in one array, in memory that nobody else reads."""
        # Unlike zeros, what `Empty` makes is never taken for another equal tensor.
        start = tf.raw_ops.Empty(shape=tf.shape(table), dtype=table.dtype, init=True)

        def body(number: tf.Tensor, written: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            rows = rows_of_slice(table, number, self.size)
            places = number * self.size + tf.range(tf.shape(rows)[0])
            # In place: any other operation copies the whole.
            return number + 1, tf.raw_ops.InplaceUpdate(x=written, i=places, v=self.make(number, rows))

        _, written = tf.while_loop(self._is_slice, body, (tf.constant(0), start), parallel_iterations=1)
        return tf.ensure_shape(written, table.shape)

    def sliced(self, table: tf.Tensor, lookup: tf.IndexedSlices | None) -> SlicedGradient:
        """Return the gradient of `table` in slices.

        Args:
            table: [height, width] float32.
            lookup: the gradient of its lookup, which is added; None for none.
        """
        width = table.shape[1]
        added = None if lookup is None else merged(lookup)
        held_first = tf.maximum(self.count - tf.maximum(_MOST_HELD // (self.size * width), 1), 0)

        def make(number: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
            part = self.make(number, rows)
            return _plus(part, number * self.size, *added) if added else part

        def body(number: tf.Tensor, held: tf.Tensor, squares: tf.Tensor) -> tuple[tf.Tensor, ...]:
            part = make(number, rows_of_slice(table, number, self.size))
            index = tf.maximum(number - held_first, 0)  # the first that is held overwrites all before
            held = tf.raw_ops.TensorListSetItem(input_handle=held, index=index, item=part)
            return number + 1, held, squares + 2 * tf.nn.l2_loss(part)

        room = tf.raw_ops.TensorListReserve(
            element_shape=[-1, width], num_elements=self.count - held_first, element_dtype=tf.float32
        )
        start = (tf.constant(0), room, tf.constant(0.0))
        _, held, squares = tf.while_loop(self._is_slice, body, start, parallel_iterations=1)

        def held_or_made(number: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
            return tf.cond(
                number >= held_first,
                lambda: tf.raw_ops.TensorListGetItem(
                    input_handle=held,
                    index=number - held_first,
                    element_shape=tf.shape(rows),
                    element_dtype=tf.float32,
                ),
                lambda: make(number, rows),
            )

        return SlicedGradient(self.size, squares, tf.constant(1.0), held_or_made)

    def _is_slice(self, number: tf.Tensor, *_: tf.Tensor) -> tf.Tensor:
        return number < self.count


@dataclass(frozen=True, eq=False)
class SlicedGradient:
    """The gradient of a table [height, width], whose slices are asked for one by one.

    TensorFlow's functions on nested tensors take it as three.

    Attributes:
        size: scalar int32, the rows of a slice.
        squares: scalar float32, the sum of the squares of all numbers, before `factor`.
        factor: scalar float32, which all numbers are multiplied by.
        make: makes a slice, before `factor`.
    """

    size: tf.Tensor
    squares: tf.Tensor
    factor: tf.Tensor
    make: MakeSlice

    @property
    def norm(self) -> tf.Tensor:
        """The norm of the whole gradient, a scalar."""
        return tf.sqrt(self.squares) * self.factor

    def scaled(self, factor: tf.Tensor) -> SlicedGradient:
        """Return the gradient times a scalar."""
        return replace(self, factor=self.factor * factor)

    def slice(self, number: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """Return a slice, of the shape of `rows`.

        Args:
            number: scalar int32, the slice's.
            rows: [rows, width] float32, the same rows of the table, as they were before the step.
        """
        return tf.ensure_shape(self.make(number, rows) * self.factor, rows.shape)

    def __tf_flatten__(self) -> tuple[tuple[MakeSlice], tuple[tf.Tensor, ...]]:
        """See `tf.nest`."""
        return (self.make,), (self.size, self.squares, self.factor)

    @classmethod
    def __tf_unflatten__(cls, made: tuple[MakeSlice], tensors: tuple[tf.Tensor, ...]) -> SlicedGradient:
        """See `tf.nest`."""
        size, squares, factor = tensors
        return cls(size, squares, factor, *made)


def sliced_lookup(gradient: tf.IndexedSlices, shape: tf.TensorShape) -> SlicedGradient:
    """Return the gradient of a lookup in slices, all zeros but for the rows that were looked up.

    Args:
        gradient: of the table; rows may repeat.
        shape: the table's.
    """
    size = tf.constant(short_slice(shape))
    rows, values = merged(gradient)

    def make(number: tf.Tensor, table: tf.Tensor) -> tf.Tensor:
        zeros = tf.raw_ops.Empty(shape=tf.shape(table), dtype=tf.float32, init=True)
        return _plus(zeros, number * size, rows, values)

    return SlicedGradient(size, 2 * tf.nn.l2_loss(values), tf.constant(1.0), make)


def short_slice(shape: tf.TensorShape) -> int:
    """Return how many rows a slice of a table has, if nothing asks for more or fewer."""
    return max(1, _SLICE_NUMBERS // shape[1])


def rows_of_slice(table: tf.Tensor, number: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Return the rows of a slice of `size` rows, given its number; the last may have fewer."""
    first = number * size
    return table[first : tf.minimum(first + size, tf.shape(table)[0])]


def merged(gradient: tf.IndexedSlices) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the rows of a gradient, each once and rising, [rows] int32, and the sums of their values."""
    rows, _ = tf.unique(tf.sort(tf.cast(gradient.indices, tf.int32)))
    place = tf.searchsorted(rows, tf.cast(gradient.indices, tf.int32))
    return rows, tf.math.unsorted_segment_sum(gradient.values, place, tf.size(rows))


def _plus(part: tf.Tensor, first: tf.Tensor, rows: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """A slice that begins at row `first`, plus the values of the rows that are in it; in place."""
    begin, end = tf.unstack(tf.searchsorted(rows, tf.stack([first, first + tf.shape(part)[0]])))
    return tf.raw_ops.InplaceAdd(x=part, i=rows[begin:end] - first, v=values[begin:end])
