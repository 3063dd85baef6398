"""Gradients that are computed last in a training step, when nothing is held any more for those of the layers before.

The gradient of an output layer is as large as its table, and backpropagation would make it first: beside all
activations, where a step's memory is at its peak. Whoever makes such a gradient postpones it; the training step adds it
to the others once these are there. Where a table is also the token embedding, the few rows that its lookup has a
gradient for are added in place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
import tensorflow as tf

Gradient = Any  # a tf.Tensor or tf.IndexedSlices
MakeGradient = Callable[[], tf.Tensor]  # makes a dense gradient, in memory that nobody else reads

_late: ContextVar[LateGradients | None] = ContextVar("late_gradients", default=None)


class LateGradients:
    """Gradients that were postponed."""

    def __init__(self) -> None:
        self._makers: dict[int, MakeGradient] = {}  # by the identity of their variables

    def postpone(self, variable: keras.Variable, make: MakeGradient) -> None:
        """Keeps how the gradient of a variable is made, or a part of it."""
        assert id(variable) not in self._makers
        self._makers[id(variable)] = make

    def whole(self, variables: Sequence[keras.Variable], gradients: Sequence[Gradient | None]) -> list[Gradient]:
        """Return the gradients with those that were postponed; what has none gets zeros.

        Args:
            variables: that learn.
            gradients: what a tape gave for them, without what was postponed.
        """
        others = [gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient for gradient in gradients]
        with tf.control_dependencies([other for other in others if other is not None]):
            return [self._whole(*pair) for pair in zip(variables, gradients, strict=True)]

    def _whole(self, variable: keras.Variable, gradient: Gradient | None) -> Gradient:
        make = self._makers.get(id(variable))
        if make is None:
            return tf.zeros(variable.shape, variable.dtype) if gradient is None else gradient
        late = make()
        if gradient is None:
            return late
        if isinstance(gradient, tf.IndexedSlices):
            return _plus_rows(late, gradient)
        return late + gradient


def _plus_rows(whole: tf.Tensor, gradient: tf.IndexedSlices) -> tf.Tensor:
    """`whole` plus a gradient of some rows, in place: `tf.tensor_scatter_nd_add` copies what a loop gave."""
    rows, place = tf.unique(gradient.indices)  # where rows repeat, a GPU would add one of them alone
    sums = tf.math.unsorted_segment_sum(gradient.values, place, tf.size(rows))
    return tf.raw_ops.InplaceAdd(x=whole, i=tf.cast(rows, tf.int32), v=sums)


@contextmanager
def late_gradients() -> Iterator[LateGradients]:
    """Collects gradients that are postponed inside the block, in which the tape is also asked."""
    late = LateGradients()
    token = _late.set(late)
    try:
        yield late
    finally:
        _late.reset(token)


def postpone(variable: keras.Variable, make: MakeGradient) -> bool:
    """Postpones making the gradient of a variable, if someone collects such; returns whether it did."""
    late = _late.get()
    if late is None:
        return False
    late.postpone(variable, make)
    return True
