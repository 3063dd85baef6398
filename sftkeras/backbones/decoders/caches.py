"""Caches of keys and values that are written in place: a part of a tensor for each row, or pages that rows share.

Each is made for one call, whose layers write and read it one after the other.
"""

from __future__ import annotations

import tensorflow as tf


class RowCache:
    """A tensor [layers, 2, batch, heads, places, size] float32, in which a token's place is its position.

    Args:
        cache: the tensor; its memory is written.
        positions: where the new tokens go, [batch, new] int32.
        places: so many are read, the first ones.
    """

    def __init__(self, cache: tf.Tensor, positions: tf.Tensor, places: tf.Tensor) -> None:
        self._shape, self._static_shape, self._places = tf.shape(cache), cache.shape, places
        batch, length = self._shape[2], self._shape[4]
        layers, kinds, _, heads, _, self._size = cache.shape
        self._by_layer = [layers * kinds, batch, heads, length, self._size]
        self._held = [kinds, None, heads, None, self._size]
        # Where in a layer's part each token goes: [2 * batch * heads * new].
        rows = tf.reshape(tf.range(kinds * batch * heads), [kinds, batch, heads, 1])
        self._at = tf.reshape(rows * length + positions[tf.newaxis, :, tf.newaxis], [-1])
        self._layer = kinds * batch * heads * length
        self._flat = tf.reshape(cache, [-1, self._size])

    def with_new(self, number: int, new: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Write keys and values of new tokens, and return those of all: each [batch, heads, places, size].

        Args:
            number: of the layer.
            new: [2, batch, heads, new, size], keys first.
        """
        values = tf.reshape(new, [-1, self._size])
        self._flat = tf.raw_ops.InplaceUpdate(x=self._flat, i=number * self._layer + self._at, v=values)
        # Of a whole cache this is no copy: neither of these two operations makes one of leading parts.
        begin, size = [2 * number, 0, 0, 0, 0], tf.stack([2, -1, -1, self._places, -1])
        held = tf.slice(tf.reshape(self._flat, self._by_layer), begin, size)
        keys, values = tf.unstack(tf.ensure_shape(held, self._held))
        return keys, values

    def tensor(self) -> tf.Tensor:
        """Return the cache after all writes: the same memory."""
        return tf.ensure_shape(tf.reshape(self._flat, self._shape), self._static_shape)


class PagedCache:
    """A tensor [layers, 2, heads, pages, tokens of a page, size] float32, of which each row has some pages.

    Args:
        pages: the tensor; its memory is written.
        positions: of the new tokens, [batch, new] int32.
        tables: the pages of each row in order, [batch, pages of a row] int32.

    Attributes:
        places: of all pages of a row.
    """

    def __init__(self, pages: tf.Tensor, positions: tf.Tensor, tables: tf.Tensor) -> None:
        kinds, heads, tokens, self._size = pages.shape[1], pages.shape[2], pages.shape[4], pages.shape[5]
        count = tf.shape(pages)[3]
        self.places = tf.shape(tables)[1] * tokens
        self._held_shape = [kinds, tf.shape(tables)[0], heads, self.places, self._size]
        self._page = tokens * self._size  # numbers of it
        # Rows of pages, and of tokens, in a layer's part: each kind and head has all pages.
        first = tf.reshape(tf.range(kinds * heads), [kinds, 1, heads, 1]) * count
        self._pages_at = first + tables[tf.newaxis, :, tf.newaxis]  # [2, batch, heads, pages of a row]
        own = tf.gather(tables, positions // tokens, batch_dims=1)  # [batch, new]
        at = (first + own[tf.newaxis, :, tf.newaxis]) * tokens + (positions % tokens)[tf.newaxis, :, tf.newaxis]
        self._at = tf.reshape(at, [-1])  # [2 * batch * heads * new]
        self._layer_pages, self._tokens = kinds * heads * count, tokens
        self._flat = tf.reshape(pages, [-1, self._size])

    def with_new(self, number: int, new: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Write and return keys and values, as `RowCache.with_new`."""
        first = number * self._layer_pages
        values = tf.reshape(new, [-1, self._size])
        self._flat = tf.raw_ops.InplaceUpdate(x=self._flat, i=first * self._tokens + self._at, v=values)
        held = tf.gather(tf.reshape(self._flat, [-1, self._page]), first + self._pages_at)
        keys, values = tf.unstack(tf.reshape(held, self._held_shape))
        return keys, values
