"""Dropout whose mask is a function of (seed, step, replica, row, layer, call) and costs little on a CPU.

Stock Keras dropout keeps a counter in a variable: replicas then drop the same units, and a resumed run drops others
than an uninterrupted one. Here the training step opens a stream with `dropout_stream`, and each layer draws from its
own part of it, so that order stays a function and nothing has to be saved. Rows that are computed in several
micro-batches drop what they would have dropped in one batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import tensorflow as tf

from sftkeras.internals.keras import all_layers

_PHILOX = 1  # the algorithm's number in `tf.random.Algorithm`; the same numbers on every device
_LEVELS = 256  # random bytes, not floats: a quarter of the random bits, at a rate rounded to 1/256
_DRAW_BITS, _REPLICA_BITS = 22, 10
_MOST_DRAWS = 2**12  # in a step
_BLOCK = 16  # random bytes that Philox draws at once


@dataclass(frozen=True)
class RowRange:
    """Rows of a batch that are computed by themselves: scalar int32 tensors, the first row and how many there are."""

    first: tf.Tensor
    rows: tf.Tensor


@dataclass(frozen=True)
class _Stream:
    """An open stream: its seed, the position of its first draw, its rows, and how often each layer has drawn."""

    seed: int
    position: tf.Tensor
    part: RowRange | None
    calls: Counter[int] = field(default_factory=Counter)


_stream: ContextVar[_Stream | None] = ContextVar("dropout_stream", default=None)


@contextmanager
def dropout_stream(
    seed: int, step: tf.Tensor, replica: tf.Tensor | int = 0, part: RowRange | None = None
) -> Iterator[None]:
    """Gives the dropout layers called inside the block their randomness.

    A layer that is called again, as ALBERT's are, draws again. In a graph the calls are counted while it is traced.

    Args:
        seed: the run's seed.
        step: scalar integer, the optimizer step.
        replica: number of this replica, below 1024.
        part: the rows computed here; None for all rows of the replica.
    """
    position = tf.cast(step, tf.uint64) * 2**_REPLICA_BITS + tf.cast(replica, tf.uint64)
    with _open(_Stream(seed, position * 2**_DRAW_BITS, part)):
        yield


def dropout_again() -> Callable[[], AbstractContextManager[None]]:
    """Gives a context in which layers draw what they draw from here on, for computing something a second time."""
    stream = _stream.get()
    if stream is None:
        return nullcontext
    calls = stream.calls.copy()
    return lambda: _open(replace(stream, calls=calls.copy()))


@contextmanager
def shared_by_rows() -> Iterator[None]:
    """Has layers called inside the block drop the same for any part of the rows: their input belongs to all of them."""
    stream = _stream.get()
    with _open(replace(stream, part=None)) if stream else nullcontext():
        yield


@contextmanager
def _open(stream: _Stream) -> Iterator[None]:
    token = _stream.set(stream)
    try:
        yield
    finally:
        _stream.reset(token)


@keras.saving.register_keras_serializable("sftkeras")
class StreamDropout(keras.layers.Dropout):
    """`keras.layers.Dropout` that draws from the open `dropout_stream`; without one it is the stock layer.

    The rate is rounded to a multiple of 1/256 (0.1 becomes 0.1016) and kept values are scaled by the rounded rate, so
    the expected output is exact.
    """

    layer_number, layer_count = 0, 1  # set by `use_stream_dropout`

    def get_config(self) -> dict[str, Any]:
        """The rate, and which of how many layers this is."""
        return {**super().get_config(), "layer_number": self.layer_number, "layer_count": self.layer_count}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> StreamDropout:
        """A layer of this config."""
        own = ("layer_number", "layer_count")
        layer = cls(**{name: value for name, value in config.items() if name not in own})
        layer.layer_number, layer.layer_count = (config[name] for name in own)
        return layer

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Drops units of `inputs`, any shape, when training."""
        stream = _stream.get()
        if not training or self.rate == 0 or stream is None:
            return super().call(inputs, training=training)
        dropped = min(max(1, round(self.rate * _LEVELS)), _LEVELS - 1)
        keep = _random_bytes(self, tf.shape(inputs), stream) >= tf.constant(dropped, tf.uint8)
        return inputs * (tf.cast(keep, inputs.dtype) * (_LEVELS / (_LEVELS - dropped)))


@keras.saving.register_keras_serializable("sftkeras")
class StreamNoise(keras.layers.Layer):
    """Noise on token vectors while an open `dropout_stream` trains, as NEFTune adds it; without one, none.

    Uniform from -1 to 1, in 256 steps, times `alpha / sqrt(tokens * numbers in a vector)` (Jain et al., 2023,
    arXiv:2310.05914), where a row's tokens are counted without padding.

    Attributes:
        alpha: how strong it is; 0 adds none, 5 is usual.
    """

    alpha = 0.0
    layer_number, layer_count = 0, 1  # set by `use_stream_dropout`

    def call(self, inputs: tf.Tensor, positions: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Add noise to `inputs` [batch, length, hidden], whose tokens stand at `positions` [batch, length]."""
        stream = _stream.get()
        if not training or self.alpha == 0 or stream is None:
            return inputs
        tokens = tf.cast(tf.reduce_max(positions, 1) + 1, inputs.dtype)  # [batch]; of packed rows, of the longest
        drawn = tf.cast(_random_bytes(self, tf.shape(inputs), stream), inputs.dtype)
        uniform = (2 * drawn + 1) / _LEVELS - 1
        return inputs + uniform * (self.alpha * tf.math.rsqrt(tokens * inputs.shape[-1]))[:, tf.newaxis, tf.newaxis]


def _random_bytes(layer: StreamDropout | StreamNoise, shape: tf.Tensor, stream: _Stream) -> tf.Tensor:
    """The next random bytes of a layer, uint8 of this shape."""
    draw = stream.calls[layer.layer_number] * layer.layer_count + layer.layer_number
    if draw >= _MOST_DRAWS:
        raise ValueError(f"dropout is drawn more than {_MOST_DRAWS} times in a step")
    stream.calls[layer.layer_number] += 1
    size = tf.reduce_prod(shape)
    block, skipped = _place(stream.part, size)
    # The counter's low half counts within this draw, the high half names the draw, so no two draws overlap.
    words = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=[(skipped + size + 3) // 4],
        key=tf.constant([stream.seed], tf.uint64),
        counter=tf.stack([block, stream.position + draw]),
        alg=_PHILOX,
        dtype=tf.int32,
    )
    return tf.reshape(tf.reshape(tf.bitcast(words, tf.uint8), [-1])[skipped : skipped + size], shape)


def _place(part: RowRange | None, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | int]:
    """Beginnings of these rows' random bytes: blocks of Philox before them, and bytes in their first block.

    `size` is the number of values that the rows have together, row after row: all layers keep the batch outermost.
    """
    if part is None:
        return tf.constant(0, tf.uint64), 0
    before = tf.cast(part.first, tf.int64) * tf.cast(size // tf.maximum(part.rows, 1), tf.int64)
    return tf.cast(before // _BLOCK, tf.uint64), tf.cast(before % _BLOCK, tf.int32)


def use_stream_dropout(model: keras.Model) -> None:
    """Turns every stock `Dropout` layer inside `model` into a `StreamDropout`, in place, and gives each its stream."""
    kinds = (keras.layers.Dropout, StreamDropout, StreamNoise)
    layers = [layer for layer in all_layers(model) if type(layer) in kinds]
    for number, layer in enumerate(layers):
        if type(layer) is keras.layers.Dropout:
            layer.__class__ = StreamDropout
        layer.layer_number, layer.layer_count = number, len(layers)
