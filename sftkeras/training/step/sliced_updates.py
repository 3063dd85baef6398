"""Updates of large tables and of what an optimizer keeps for them, a slice of rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from sftkeras.internals.tensorflow import scratch_variable
from sftkeras.tasks.sliced_gradients import SlicedGradient


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
    height, width = shape

    def body(first: tf.Tensor) -> tf.Tensor:
        end = tf.minimum(first + gradient.size, height)
        rows = tf.range(first, end)
        slices = [scratch_variable(_rows(table, rows, width)) for table in tables]
        update(gradient.slice(first, end), *slices)
        for table, changed in zip(tables, slices, strict=True):
            value = tf.raw_ops.ReadVariableOp(resource=changed, dtype=tf.float32)
            tf.raw_ops.ResourceScatterUpdate(resource=table, indices=rows, updates=value)
        return first + gradient.size

    tf.while_loop(lambda first: first < height, body, (tf.constant(0),), parallel_iterations=1)
    for table in tables:  # a variable that was written by rows would be copied by whoever reads or updates all of it
        tf.raw_ops.DisableCopyOnRead(resource=table)


def _rows(table: tf.Tensor, rows: tf.Tensor, width: int) -> tf.Tensor:
    """Rows of a variable, [rows, width]."""
    return tf.ensure_shape(tf.raw_ops.ResourceGather(resource=table, indices=rows, dtype=tf.float32), [None, width])
