"""Attention to virtual tokens: learned keys and values in front of those of a row's tokens, which every row sees.

Two products in place of one over joined keys: the keys of tokens, which may be a whole cache, are not copied.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from sftkeras.backbones.dense.operations import product
from sftkeras.backbones.parts_config import PartsInConfig


class KeysAndValues(NamedTuple):
    """Keys and values that virtual tokens have in a layer, each [1, heads, tokens, size]."""

    keys: tf.Tensor
    values: tf.Tensor


def scores_of_all(query: tf.Tensor, scores: tf.Tensor, virtual: KeysAndValues | None) -> tf.Tensor:
    """Return attention scores with those of virtual tokens, if there are any, in front.

    Args:
        query: [batch, heads, rows, size], scaled.
        scores: of tokens, [batch, heads, rows, places].
        virtual: keys and values of virtual tokens.

    Returns:
        [batch, heads, rows, virtual tokens + places].
    """
    if virtual is None:
        return scores
    return tf.concat([product(query, virtual.keys, transpose_b=True), scores], -1)


def context_of_all(weights: tf.Tensor, value: tf.Tensor, virtual: KeysAndValues | None) -> tf.Tensor:
    """Return what attention weights, as `scores_of_all` leads to, make of values; [batch, heads, rows, size].

    Args:
        weights: [batch, heads, rows, virtual tokens + places].
        value: of tokens, [batch, heads, places, size].
        virtual: keys and values of virtual tokens.
    """
    if virtual is None:
        return product(weights, value)
    count = virtual.values.shape[2]
    return product(weights[..., :count], virtual.values) + product(weights[..., count:], value)


class Prefix(keras.layers.Layer):
    """Learned keys and values of the virtual tokens of one layer (Li & Liang, 2021, arXiv:2101.00190).

    Args:
        tokens: virtual tokens.
        heads: heads of keys and of values.
        size: numbers in a head.

    Attributes:
        pairs: [tokens, 2 * heads * size]: of each token its key, heads side by side, and its value; zeros at first.
    """

    def __init__(self, tokens: int, heads: int, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sizes = {"tokens": tokens, "heads": heads, "size": size}
        self.pairs = self.add_weight(shape=(tokens, 2 * heads * size), initializer="zeros", name="keys_and_values")
        self.built = True

    def keys_and_values(self, dtype: tf.DType) -> KeysAndValues:
        """Return them in the precision of the attention that they are for."""
        pairs = tf.cast(tf.convert_to_tensor(self.pairs.value), dtype)
        apart = tf.reshape(pairs, [1, self.sizes["tokens"], 2, self.sizes["heads"], self.sizes["size"]])
        return KeysAndValues(*tf.unstack(tf.transpose(apart, [2, 0, 3, 1, 4])))


class WithPrefix(PartsInConfig):
    """Mixin of a transformer layer made of layers that may be given a prefix, which its config then describes.

    Attributes:
        prefix: keys and values of virtual tokens, if it was given any.
    """

    prefix: Prefix | None = None
    _prefix_sizes: dict[str, int] | None = None

    def get_config(self) -> dict[str, Any]:
        """The layer's config, and the sizes of its prefix."""
        return {**super().get_config(), **({"prefix": self.prefix.sizes} if self.prefix else {})}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A layer of this config."""
        layer = super().from_config({name: value for name, value in config.items() if name != "prefix"})
        layer._prefix_sizes = config.get("prefix")
        return layer

    def set_parts(self) -> None:
        """Sets the parts that there are, and gives the layer its prefix once it has been built."""
        super().set_parts()
        if self._prefix_sizes and self.prefix is None:
            self.prefix = Prefix(**self._prefix_sizes, name="prefix", dtype=self.dtype_policy)  # type: ignore[attr-defined]


class Prompt(keras.layers.Layer):
    """Learned vectors of virtual tokens (Lester et al., 2021, arXiv:2104.08691).

    Args:
        tokens: virtual tokens.
        size: numbers in a token's vector.

    Attributes:
        vectors: [tokens, size], zeros at first.
    """

    def __init__(self, tokens: int, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tokens = tokens
        self.vectors = self.add_weight(shape=(tokens, size), initializer="zeros", name="vectors")
        self.built = True

    def before(self, vectors: tf.Tensor) -> tf.Tensor:
        """Return `vectors` [batch, length, size] with the virtual tokens' in front of each row's."""
        own = tf.cast(tf.convert_to_tensor(self.vectors.value), vectors.dtype)
        rows = tf.repeat(own[tf.newaxis], tf.shape(vectors)[0], axis=0)
        return tf.concat([rows, vectors], 1)


def keys_of(prefix: Prefix | None, dtype: tf.DType) -> KeysAndValues | None:
    """Return the keys and values of a layer's virtual tokens, if it has any."""
    return None if prefix is None else prefix.keys_and_values(dtype)
