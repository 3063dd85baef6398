"""Dropout whose mask is a function of (seed, step, replica, layer) and costs little on a CPU.

Stock Keras dropout keeps a counter in a variable: replicas then drop the same units, and a resumed run drops others
than an uninterrupted one. Here the training step opens a stream with `dropout_stream`, and each layer draws from its
own part of it, so that order stays a function and nothing has to be saved.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import keras
import tensorflow as tf

_PHILOX = 1  # the algorithm's number in `tf.random.Algorithm`; the same numbers on every device
_LEVELS = 256  # random bytes, not floats: a quarter of the random bits, at a rate rounded to 1/256
_LAYER_BITS, _REPLICA_BITS, _MICRO_BATCH_BITS = 12, 10, 10

_stream: ContextVar[tuple[int, tf.Tensor] | None] = ContextVar("dropout_stream", default=None)


@contextmanager
def dropout_stream(
    seed: int, step: tf.Tensor, replica: tf.Tensor | int = 0, micro_batch: tf.Tensor | int = 0
) -> Iterator[None]:
    """Gives the dropout layers called inside the block their randomness.

    Args:
        seed: the run's seed.
        step: scalar integer, the optimizer step.
        replica: number of this replica, below 1024.
        micro_batch: number of the micro-batch in the step, below 1024.
    """
    position = tf.cast(step, tf.uint64)
    for part, bits in ((micro_batch, _MICRO_BATCH_BITS), (replica, _REPLICA_BITS)):
        position = position * 2**bits + tf.cast(part, tf.uint64)
    token = _stream.set((seed, position * 2**_LAYER_BITS))
    try:
        yield
    finally:
        _stream.reset(token)


class StreamDropout(keras.layers.Dropout):
    """`keras.layers.Dropout` that draws from the open `dropout_stream`; without one it is the stock layer.

    The rate is rounded to a multiple of 1/256 (0.1 becomes 0.1016) and kept values are scaled by the rounded rate, so
    the expected output is exact.
    """

    layer_number = 0  # set by `use_stream_dropout`; below 4096

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Drops units of `inputs`, any shape, when training."""
        stream = _stream.get()
        if not training or self.rate == 0 or stream is None:
            return super().call(inputs, training=training)
        dropped = min(max(1, round(self.rate * _LEVELS)), _LEVELS - 1)
        keep = self._random_bytes(tf.shape(inputs), *stream) >= tf.constant(dropped, tf.uint8)
        return inputs * (tf.cast(keep, inputs.dtype) * (_LEVELS / (_LEVELS - dropped)))

    def _random_bytes(self, shape: tf.Tensor, seed: int, position: tf.Tensor) -> tf.Tensor:
        size = tf.reduce_prod(shape)
        # The counter's low half counts within this draw, the high half names the draw, so no two draws overlap.
        words = tf.raw_ops.StatelessRandomUniformFullIntV2(
            shape=[(size + 3) // 4],
            key=tf.constant([seed], tf.uint64),
            counter=tf.stack([tf.constant(0, tf.uint64), position + self.layer_number]),
            alg=_PHILOX,
            dtype=tf.int32,
        )
        return tf.reshape(tf.reshape(tf.bitcast(words, tf.uint8), [-1])[:size], shape)


def use_stream_dropout(model: keras.Model) -> None:
    """Turns every stock `Dropout` layer inside `model` into a `StreamDropout`, in place."""
    layers = [layer for layer in model._flatten_layers() if type(layer) in (keras.layers.Dropout, StreamDropout)]
    for number, layer in enumerate(layers):
        layer.__class__ = StreamDropout
        layer.layer_number = number
