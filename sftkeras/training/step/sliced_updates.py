"""Updates of large tables and of what is kept for them, a slice of rows at a time, so that no copy is as large."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from sftkeras.internals.tensorflow import scratch_variable
from sftkeras.tasks.sliced_gradients import SlicedGradient, short_slice

_MANY_NUMBERS = 2**22  # of a table whose copy, 16 MiB and more, matters


def is_large(shape: Sequence[int]) -> bool:
    """Return whether a variable of this shape has so many numbers that copies of it matter."""
    return math.prod(shape) >= _MANY_NUMBERS


def is_large_table(variable: tf.Variable | keras.Variable) -> bool:
    """Return whether a variable is such, and can be updated by slices of rows."""
    return len(variable.shape) == 2 and variable.dtype == "float32" and is_large(variable.shape)


def update_slices(
    tables: Sequence[tf.Tensor], shape: tf.TensorShape, gradient: SlicedGradient, update: Callable[..., None]
) -> None:
    """Updates tables as `update` does, of which a slice depends on no other.

    Operations that update in place take whole variables, so each slice is copied to variables of its size and back.

    Args:
        tables: handles of variables, float32.
        shape: of each, [height, width].
        gradient: of the first.
        update: given a slice of the gradient and handles of variables that are the same slice of each table, updates
            these in place.
    """

    def changed(number: tf.Tensor, *rows: tf.Tensor) -> list[tf.Tensor]:
        slices = [scratch_variable(value) for value in rows]
        update(gradient.slice(number, rows[0]), *slices)
        return [tf.raw_ops.ReadVariableOp(resource=each, dtype=tf.float32) for each in slices]

    _write_slices(tables, tables, shape, gradient.size, changed)


def move_slices(average: tf.Tensor, table: tf.Tensor, shape: tf.TensorShape, rate: tf.Tensor) -> None:
    """Moves a running average towards a table by a share of their difference.

    Args:
        average: handle of a variable, float32.
        table: handle of the table's.
        shape: of both, [height, width].
        rate: scalar float32, the share.
    """

    def moved(number: tf.Tensor, before: tf.Tensor, rows: tf.Tensor) -> list[tf.Tensor]:
        return [before - rate * (before - rows)]

    _write_slices([average], [average, table], shape, tf.constant(short_slice(shape)), moved)


def _write_slices(
    written: Sequence[tf.Tensor],
    read: Sequence[tf.Tensor],
    shape: tf.TensorShape,
    size: tf.Tensor,
    new: Callable[..., Sequence[tf.Tensor]],
) -> None:
    """Writes to tables of a shape, `size` rows at a time, what `new` gives for a slice's number and those of `read`."""
    height, width = shape

    def rows_of(table: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
        rows = tf.raw_ops.ResourceGather(resource=table, indices=places, dtype=tf.float32)
        return tf.ensure_shape(rows, [None, width])

    def body(number: tf.Tensor) -> tuple[tf.Tensor]:
        first = number * size
        places = tf.range(first, tf.minimum(first + size, height))
        values = new(number, *[rows_of(table, places) for table in read])
        for table, value in zip(written, values, strict=True):
            tf.raw_ops.ResourceScatterUpdate(resource=table, indices=places, updates=value)
        return (number + 1,)

    tf.while_loop(lambda number: number * size < height, body, (tf.constant(0),), parallel_iterations=1)
    for table in written:  # a variable that was written by rows would be copied by whoever reads or updates all of it
        tf.raw_ops.DisableCopyOnRead(resource=table)
