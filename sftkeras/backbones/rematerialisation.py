"""Layers that compute their activations a second time in the backward pass instead of keeping them.

A training step then holds one layer's activations at a time and the inputs of the others, for about a third more
arithmetic (Chen et al., 2016, arXiv:1604.06174). The second computation drops the same units, so results stay.

Own code rather than `tf.recompute_grad` or Keras' `RematScope`: those look for the variables that a layer reads, which
fails where a strategy mirrors them, and draw new random numbers the second time.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
import tensorflow as tf

from sftkeras.backbones.dropout import dropout_again

# Whether layers are being computed for the second time, and so must not be wrapped again.
_again: ContextVar[bool] = ContextVar("rematerialising", default=False)


def rematerialise(layers: Iterable[keras.layers.Layer]) -> None:
    """Makes these layers, built and without updates of their own (such as batch norm's), recompute when training."""
    for layer in layers:
        layer.call = _rematerialised(layer)


def _rematerialised(layer: keras.layers.Layer) -> Callable[..., tf.Tensor]:
    plain_call = layer.call

    @functools.wraps(plain_call)
    def call(*args: Any, training: bool | None = None, **kwargs: Any) -> tf.Tensor:
        if not training or _again.get():
            return plain_call(*args, training=training, **kwargs)
        flat = tf.nest.flatten((args, kwargs))
        places = [place for place, value in enumerate(flat) if tf.is_tensor(value)]
        variables = layer.variables  # also those that do not learn: what a tape could watch must be an argument
        drop_the_same = dropout_again()

        def compute(function: Callable[..., tf.Tensor], tensors: tuple[tf.Tensor, ...]) -> tf.Tensor:
            values = dict(enumerate(flat)) | dict(zip(places, tensors, strict=False))
            own_args, own_kwargs = tf.nest.pack_sequence_as((args, kwargs), list(values.values()))
            with keras.StatelessScope(list(zip(variables, tensors[len(places) :], strict=True))):
                return function(*own_args, training=True, **own_kwargs)

        @tf.custom_gradient
        def recomputed(*tensors: tf.Tensor) -> tuple[tf.Tensor, Callable[..., list[tf.Tensor]]]:
            def gradient(upstream: tf.Tensor) -> list[tf.Tensor]:
                # After `upstream`, or TensorFlow would see that all this was computed before and keep it until here.
                with tf.control_dependencies([upstream]), drop_the_same(), _computing_again():
                    with tf.GradientTape() as tape:
                        inputs = tuple(tf.identity(tensor) for tensor in tensors)
                        tape.watch([tensor for tensor in inputs if tensor.dtype.is_floating])
                        output = compute(layer, inputs)
                    return tape.gradient(output, inputs, upstream)

            return compute(plain_call, tensors), gradient

        # The weights are arguments, as tensors: a custom gradient cannot give gradients of mirrored variables.
        weights = [tf.convert_to_tensor(variable.value) for variable in variables]
        return recomputed(*[flat[place] for place in places], *weights)

    return call


@contextmanager
def _computing_again() -> Iterator[None]:
    token = _again.set(True)
    try:
        yield
    finally:
        _again.reset(token)
