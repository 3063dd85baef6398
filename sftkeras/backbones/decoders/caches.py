"""Caches of keys and values that are written in place: a part of a tensor for each row, or pages that rows share.

Each is made for one call, whose layers write and read it one after the other. It is a tuple of tensors, so that
functions of a graph take and return it.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf


class RowCache(NamedTuple):
    """A tensor [layers, 2, batch, heads, places, size] float32, in which a token's place is its position.

    Attributes:
        flat: the tensor as [rows, size]; its memory is written.
        at: where in a layer's part the new tokens go, [2 * batch * heads * new] int32.
        shape: [layers * 2, batch, heads, places, size] int32.
        places: so many are read, the first ones; a scalar int32.
        layer: whose turn it is, a scalar int32.
    """

    flat: tf.Tensor
    at: tf.Tensor
    shape: tf.Tensor
    places: tf.Tensor
    layer: tf.Tensor

    @classmethod
    def of(cls, cache: tf.Tensor, positions: tf.Tensor, places: tf.Tensor) -> RowCache:
        """Return the cache before the first layer.

        Args:
            cache: the tensor.
            positions: where the new tokens go, [batch, new] int32.
            places: so many are read.
        """
        shape = tf.shape(cache)
        layers, kinds, _, heads, _, size = cache.shape
        batch, length = shape[2], shape[4]
        rows = tf.reshape(tf.range(kinds * batch * heads), [kinds, batch, heads, 1])
        at = tf.reshape(rows * length + positions[tf.newaxis, :, tf.newaxis], [-1])
        by_layer = tf.stack([layers * kinds, batch, heads, length, size])
        return cls(tf.reshape(cache, [-1, size]), at, by_layer, places, tf.constant(0))

    def with_new(self, new: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, RowCache]:
        """Write keys and values of new tokens, and return those of all.

        Args:
            new: [2, batch, heads, new, size], keys first.

        Returns:
            Keys and values, each [batch, heads, places, size], and the cache before the next layer.
        """
        kinds, _, heads, _, size = new.shape
        rows = tf.reduce_prod(self.shape[1:4]) * kinds  # of a layer
        flat = tf.raw_ops.InplaceUpdate(x=self.flat, i=self.layer * rows + self.at, v=tf.reshape(new, [-1, size]))
        # Of a whole cache this is no copy: neither of these two operations makes one of leading parts.
        begin = tf.stack([kinds * self.layer, 0, 0, 0, 0])
        held = tf.slice(tf.reshape(flat, self.shape), begin, tf.stack([kinds, -1, -1, self.places, -1]))
        keys, values = tf.unstack(tf.ensure_shape(held, [kinds, None, heads, None, size]))
        return keys, values, self._replace(flat=flat, layer=self.layer + 1)


class PagedCache(NamedTuple):
    """A tensor [layers, 2, heads, pages, tokens of a page, size] float32, of which each row has some pages.

    Attributes:
        flat: the tensor as [rows, size]; its memory is written.
        at: where in a layer's part the new tokens go, [2 * batch * heads * new] int32.
        pages_at: where in a layer's part the pages of rows are, counted in pages, [2, batch, heads, pages of a row]
            int32.
        shape: pages of a layer's part, tokens of a page, [2] int32.
        layer: whose turn it is, a scalar int32.
    """

    flat: tf.Tensor
    at: tf.Tensor
    pages_at: tf.Tensor
    shape: tf.Tensor
    layer: tf.Tensor

    @classmethod
    def of(cls, pages: tf.Tensor, positions: tf.Tensor, tables: tf.Tensor) -> PagedCache:
        """Return the cache before the first layer.

        Args:
            pages: the tensor.
            positions: of the new tokens, [batch, new] int32.
            tables: the pages of each row in order, [batch, pages of a row] int32.
        """
        kinds, heads, tokens, size = pages.shape[1], pages.shape[2], pages.shape[4], pages.shape[5]
        count = tf.shape(pages)[3]
        # Rows of pages, and of tokens, in a layer's part: each kind and head has all pages.
        first = tf.reshape(tf.range(kinds * heads), [kinds, 1, heads, 1]) * count
        own = tf.gather(tables, positions // tokens, batch_dims=1)  # [batch, new]
        at = (first + own[tf.newaxis, :, tf.newaxis]) * tokens + (positions % tokens)[tf.newaxis, :, tf.newaxis]
        pages_at = first + tables[tf.newaxis, :, tf.newaxis]
        shape = tf.stack([kinds * heads * count, tokens])
        return cls(tf.reshape(pages, [-1, size]), tf.reshape(at, [-1]), pages_at, shape, tf.constant(0))

    @property
    def places(self) -> tf.Tensor:
        """Of all pages of a row, a scalar int32."""
        return tf.shape(self.pages_at)[3] * self.shape[1]

    def with_new(self, new: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, PagedCache]:
        """Write and return keys and values, as `RowCache.with_new`."""
        kinds, _, heads, _, size = new.shape
        first, tokens = self.layer * self.shape[0], self.shape[1]
        flat = tf.raw_ops.InplaceUpdate(x=self.flat, i=first * tokens + self.at, v=tf.reshape(new, [-1, size]))
        held = tf.gather(tf.reshape(flat, [-1, tokens * size]), first + self.pages_at)
        held = tf.reshape(held, [kinds, -1, heads, self.places, size])
        keys, values = tf.unstack(held)
        return keys, values, self._replace(flat=flat, layer=self.layer + 1)
