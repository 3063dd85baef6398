"""Finds strings at which a text ends, as ops on bytes."""

from __future__ import annotations

import tensorflow as tf

from sftkeras.generation.sizes import largest
from sftkeras.generation.stop_limits import MOST_BYTES, MOST_STRINGS

NOWHERE = tf.int32.max


def checked(stop: tf.Tensor) -> tf.Tensor:
    """Return strings [batch, strings], which must be few and short.

    Raises:
        tf.errors.InvalidArgumentError: where it runs, if they are not.
    """
    few = tf.debugging.assert_less_equal(tf.shape(stop)[1], MOST_STRINGS, f"stop has more than {MOST_STRINGS} strings.")
    longest = largest(tf.strings.length(stop), 0)
    short = tf.debugging.assert_less_equal(longest, MOST_BYTES, f"A string of stop has more than {MOST_BYTES} bytes.")
    with tf.control_dependencies([few, short]):
        return tf.identity(stop)


def first_place(texts: tf.Tensor, stop: tf.Tensor) -> tf.Tensor:
    """Return how many bytes stand before the first of the strings in each text, [batch] int32; `NOWHERE` without one.

    Args:
        texts: [batch] string.
        stop: [batch, strings] string; "" is none.
    """
    codes, lengths = _bytes(texts)  # [batch, length]
    wanted, sizes = _bytes(tf.reshape(stop, [-1]))
    shape = tf.shape(stop)
    wanted = tf.reshape(wanted, [shape[0], shape[1], -1])  # [batch, strings, longest]
    sizes = tf.reshape(sizes, shape)
    longest = tf.shape(wanted)[2]
    padded = tf.pad(codes, [[0, 0], [0, longest]])
    windows = tf.range(tf.shape(codes)[1])[:, tf.newaxis] + tf.range(longest)  # [length, longest]
    windows = tf.gather(padded, windows, axis=1)[:, tf.newaxis]  # [batch, 1, length, longest]
    behind = tf.range(longest) >= sizes[:, :, tf.newaxis, tf.newaxis]
    equal = tf.reduce_all((windows == wanted[:, :, tf.newaxis]) | behind, -1)  # [batch, strings, length]
    places = tf.range(tf.shape(codes)[1])
    fits = places + sizes[:, :, tf.newaxis] <= lengths[:, tf.newaxis, tf.newaxis]
    found = tf.where(equal & fits & (sizes > 0)[:, :, tf.newaxis], places, NOWHERE)
    return tf.minimum(tf.reduce_min(found, [1, 2]), NOWHERE)


def _bytes(texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The bytes of texts [n], [n, longest, at least 1] uint8, 0 behind short ones, and how many each has, [n] int32."""
    lengths = tf.strings.length(texts)
    longest = largest(lengths, 1)
    return tf.io.decode_raw(texts, tf.uint8, fixed_length=longest), lengths
