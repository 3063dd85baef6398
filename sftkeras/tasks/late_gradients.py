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

from sftkeras.tasks.sliced_gradients import UnmadeGradient, merged, sliced_lookup

Gradient = Any  # a tf.Tensor, tf.IndexedSlices or SlicedGradient

_late: ContextVar[LateGradients | None] = ContextVar("late_gradients", default=None)


class LateGradients:
    """Gradients that were postponed."""

    def __init__(self) -> None:
        self._unmade: dict[int, UnmadeGradient] = {}  # by the identity of their variables

    def postpone(self, variable: keras.Variable, gradient: UnmadeGradient) -> None:
        """Keeps how the gradient of a variable is made, or a part of it."""
        assert id(variable) not in self._unmade
        self._unmade[id(variable)] = gradient

    def complete(
        self,
        variables: Sequence[keras.Variable],
        gradients: Sequence[Gradient | None],
        sliced: Callable[[keras.Variable], bool] = lambda variable: False,
    ) -> list[Gradient]:
        """Return the gradients with those that were postponed; what has none gets zeros.

        Args:
            variables: that learn.
            gradients: what a tape gave for them, without what was postponed.
            sliced: whether a variable's gradient is wanted in slices, if it is not one array by now.
        """
        others = [gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient for gradient in gradients]
        with tf.control_dependencies([other for other in others if other is not None]):
            return [
                self._in_slices(*pair) if sliced(pair[0]) else self._whole(*pair)
                for pair in zip(variables, gradients, strict=True)
            ]

    def _in_slices(self, variable: keras.Variable, gradient: Gradient | None) -> Gradient:
        if isinstance(gradient, tf.Tensor):  # of what the table is used for besides, such as a penalty
            return self._whole(variable, gradient)
        unmade = self._unmade.get(id(variable))
        if unmade:
            return unmade.sliced(tf.convert_to_tensor(variable.value), gradient)
        return self._whole(variable, None) if gradient is None else sliced_lookup(gradient, variable.shape)

    def _whole(self, variable: keras.Variable, gradient: Gradient | None) -> Gradient:
        unmade = self._unmade.get(id(variable))
        if unmade is None:
            return tf.zeros(variable.shape, variable.dtype) if gradient is None else gradient
        late = unmade.whole(tf.convert_to_tensor(variable.value))
        if gradient is None:
            return late
        if isinstance(gradient, tf.IndexedSlices):
            rows, values = merged(gradient)  # where rows repeat, a GPU would add one of them alone
            return tf.raw_ops.InplaceAdd(x=late, i=rows, v=values)  # `tensor_scatter_nd_add` copies what a loop gave
        return late + gradient


@contextmanager
def late_gradients() -> Iterator[LateGradients]:
    """Collects gradients that are postponed inside the block, in which the tape is also asked."""
    late = LateGradients()
    token = _late.set(late)
    try:
        yield late
    finally:
        _late.reset(token)


def postpone(variable: keras.Variable, gradient: UnmadeGradient) -> bool:
    """Postpones making the gradient of a variable, if someone collects such; returns whether it did."""
    late = _late.get()
    if late is None:
        return False
    late.postpone(variable, gradient)
    return True
