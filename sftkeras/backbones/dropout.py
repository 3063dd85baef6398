"""Dropout whose mask is a function of (seed, step, replica, layer, call) and costs little on a CPU.

Stock Keras dropout keeps a counter in a variable: replicas then drop the same units, and a resumed run drops others
than an uninterrupted one. Here the training step opens a stream with `dropout_stream`, and each layer draws from its
own part of it, so that order stays a function and nothing has to be saved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import keras
import tensorflow as tf

_PHILOX = 1  # the algorithm's number in `tf.random.Algorithm`; the same numbers on every device
_LEVELS = 256  # random bytes, not floats: a quarter of the random bits, at a rate rounded to 1/256
_DRAW_BITS, _REPLICA_BITS, _MICRO_BATCH_BITS = 12, 10, 10


@dataclass(frozen=True)
class _Stream:
    """An open stream: its seed, the position of its first draw, and how often each layer has drawn from it."""

    seed: int
    position: tf.Tensor
    calls: Counter[int] = field(default_factory=Counter)


_stream: ContextVar[_Stream | None] = ContextVar("dropout_stream", default=None)


@contextmanager
def dropout_stream(
    seed: int, step: tf.Tensor, replica: tf.Tensor | int = 0, micro_batch: tf.Tensor | int = 0
) -> Iterator[None]:
    """Gives the dropout layers called inside the block their randomness.

    A layer that is called again, as ALBERT's are, draws again. In a graph the calls are counted while it is traced.

    Args:
        seed: the run's seed.
        step: scalar integer, the optimizer step.
        replica: number of this replica, below 1024.
        micro_batch: number of the micro-batch in the step, below 1024.
    """
    position = tf.cast(step, tf.uint64)
    for part, bits in ((micro_batch, _MICRO_BATCH_BITS), (replica, _REPLICA_BITS)):
        position = position * 2**bits + tf.cast(part, tf.uint64)
    token = _stream.set(_Stream(seed, position * 2**_DRAW_BITS))
    try:
        yield
    finally:
        _stream.reset(token)


class StreamDropout(keras.layers.Dropout):
    """`keras.layers.Dropout` that draws from the open `dropout_stream`; without one it is the stock layer.

    The rate is rounded to a multiple of 1/256 (0.1 becomes 0.1016) and kept values are scaled by the rounded rate, so
    the expected output is exact.
    """

    layer_number, layer_count = 0, 1  # set by `use_stream_dropout`

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Drops units of `inputs`, any shape, when training."""
        stream = _stream.get()
        if not training or self.rate == 0 or stream is None:
            return super().call(inputs, training=training)
        dropped = min(max(1, round(self.rate * _LEVELS)), _LEVELS - 1)
        keep = self._random_bytes(tf.shape(inputs), stream) >= tf.constant(dropped, tf.uint8)
        return inputs * (tf.cast(keep, inputs.dtype) * (_LEVELS / (_LEVELS - dropped)))

    def _random_bytes(self, shape: tf.Tensor, stream: _Stream) -> tf.Tensor:
        draw = stream.calls[self.layer_number] * self.layer_count + self.layer_number
        if draw >= 2**_DRAW_BITS:
            raise ValueError(f"dropout is drawn more than {2**_DRAW_BITS} times in a step")
        stream.calls[self.layer_number] += 1
        size = tf.reduce_prod(shape)
        # The counter's low half counts within this draw, the high half names the draw, so no two draws overlap.
        words = tf.raw_ops.StatelessRandomUniformFullIntV2(
            shape=[(size + 3) // 4],
            key=tf.constant([stream.seed], tf.uint64),
            counter=tf.stack([tf.constant(0, tf.uint64), stream.position + draw]),
            alg=_PHILOX,
            dtype=tf.int32,
        )
        return tf.reshape(tf.reshape(tf.bitcast(words, tf.uint8), [-1])[:size], shape)


def use_stream_dropout(model: keras.Model) -> None:
    """Turns every stock `Dropout` layer inside `model` into a `StreamDropout`, in place."""
    layers = [layer for layer in model._flatten_layers() if type(layer) in (keras.layers.Dropout, StreamDropout)]
    for number, layer in enumerate(layers):
        layer.__class__ = StreamDropout
        layer.layer_number, layer.layer_count = number, len(layers)
