"""One layer of a decoder: attention and a feed-forward part, each normalised first and added to what came in.

Its products are two-dimensional; see `dense.operations`. `Decoder` gives it what all layers share, so that this is
computed once: what attention scores are added, and the turns of rotary positions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from sftkeras.backbones.decoders.activations import activated_product, gated_product
from sftkeras.backbones.decoders.attention import attend, turn
from sftkeras.backbones.decoders.config import DecoderConfig, Rope
from sftkeras.backbones.dense.operations import dense, followed, multiplied, normalise, normalise_root_mean_square
from sftkeras.backbones.virtual_attention import KeysAndValues


class Cached(NamedTuple):
    """Keys and values of a layer, each [batch * key_value_heads, places, head size] float32."""

    keys: tf.Tensor
    values: tf.Tensor


@keras.saving.register_keras_serializable("sftkeras")
class RootMeanSquareNorm(keras.layers.Layer):
    """Divides vectors by the root of their mean square and scales them.

    Args:
        epsilon: added to the mean square.
        unit_offset: whether the scale is 1 + `gamma`, so that weight decay draws it to 1.
    """

    def __init__(self, epsilon: float, unit_offset: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.unit_offset = unit_offset

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the scale."""
        initial = "zeros" if self.unit_offset else "ones"
        self.gamma = self.add_weight(shape=(input_shape[-1],), initializer=initial, name="gamma")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """`inputs` [..., hidden], normalised."""
        gamma = tf.convert_to_tensor(self.gamma.value)
        return normalise_root_mean_square(inputs, 1 + gamma if self.unit_offset else gamma, self.epsilon)

    def get_config(self) -> dict[str, Any]:
        """Its settings."""
        return {**super().get_config(), "epsilon": self.epsilon, "unit_offset": self.unit_offset}


def make_norm(config: DecoderConfig, name: str) -> keras.layers.Layer:
    """Return a norm of the decoder's kind."""
    if config.norm == "layer":
        return keras.layers.LayerNormalization(epsilon=config.epsilon, dtype="float32", name=name)
    return RootMeanSquareNorm(config.epsilon, config.unit_offset, dtype="float32", name=name)


def normalised(norm: keras.layers.Layer, x: tf.Tensor) -> tf.Tensor:
    """`x` [rows, hidden], or [..., hidden] of a root mean square norm, normalised."""
    return norm.call(x) if isinstance(norm, RootMeanSquareNorm) else normalise(norm, x)


class PartOfDecoder(keras.layers.Layer):
    """A layer that is made of a decoder's config, built from the start, and computes in float32.

    Args:
        config: of the decoder.
    """

    def __init__(self, config: DecoderConfig, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.config = config
        with keras.name_scope(self.name):
            self.make_parts()
        self.built = True

    def make_parts(self) -> None:
        """Makes the layers that it is made of, in its own name scope."""

    def get_config(self) -> dict[str, Any]:
        """The decoder's config."""
        return {**super().get_config(), "config": asdict(self.config)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> PartOfDecoder:
        """A layer of this config."""
        settings = dict(config["config"])
        ropes = (rope and Rope(tuple(rope["frequencies"]), rope["factor"]) for rope in settings["ropes"])
        settings |= {"windows": tuple(settings["windows"]), "ropes": tuple(ropes)}
        return cls(**{**config, "config": DecoderConfig(**settings)})


@keras.saving.register_keras_serializable("sftkeras")
class DecoderLayer(PartOfDecoder):
    """One layer, in float32 but for what `products_in` says.

    Args:
        config: of the decoder.
    """

    def make_parts(self) -> None:
        """Makes norms, dense layers and dropout."""
        config = self.config
        hidden, size, inner = config.hidden_size, config.head_size, config.inner_size
        own, shared = config.heads * size, config.key_value_heads * size
        with_bias = config.query_key_value_bias
        self.attention_norm = self._norm("attention_norm")
        self.query = _dense("query", hidden, own, with_bias)
        self.key = _dense("key", hidden, shared, with_bias)
        self.value = _dense("value", hidden, shared, with_bias)
        if config.query_key_norm:
            self.query_norm = self._norm("query_norm", size)
            self.key_norm = self._norm("key_norm", size)
        self.attention_dropout = self._dropout("attention_dropout", config.attention_dropout)
        self.attention_output = _dense("attention_output", own, hidden, config.attention_output_bias)
        self.feed_forward_norm = self._norm("feed_forward_norm")
        if config.gated:
            self.gate = _dense("gate", hidden, inner, config.feed_forward_bias)
        self.up = _dense("up", hidden, inner, config.feed_forward_bias)
        self.down = _dense("down", inner, hidden, config.feed_forward_bias)
        if config.post_norms:
            self.after_attention_norm = self._norm("after_attention_norm")
            self.after_feed_forward_norm = self._norm("after_feed_forward_norm")
        self.attention_output_dropout = self._dropout("attention_output_dropout", config.residual_dropout)
        self.feed_forward_dropout = self._dropout("feed_forward_dropout", config.residual_dropout)

    def _norm(self, name: str, size: int | None = None) -> keras.layers.Layer:
        norm = make_norm(self.config, name)
        norm.build((None, size or self.config.hidden_size))
        return norm

    def _dropout(self, name: str, rate: float) -> keras.layers.Dropout:
        return keras.layers.Dropout(rate, dtype="float32", name=name)

    def parts(self) -> dict[str, keras.layers.Layer]:
        """Its dense layers and norms, by their names, in the order of their work."""
        names = "attention_norm query key value query_norm key_norm attention_output after_attention_norm"
        names += " feed_forward_norm gate up down after_feed_forward_norm"
        known = {layer.name: layer for layer in self._layers}
        return {name: known[name] for name in names.split() if name in known}

    def call(
        self,
        inputs: tf.Tensor,
        bias: tf.Tensor,
        cosine: tf.Tensor | None = None,
        sine: tf.Tensor | None = None,
        virtual_keys: tf.Tensor | None = None,
        virtual_values: tf.Tensor | None = None,
        training: bool | None = None,
    ) -> tf.Tensor:
        """Decodes whole sequences.

        Args:
            inputs: [batch, length, hidden].
            bias: what attention scores are added, [batch, 1, length, virtual tokens + length].
            cosine: of rotary positions, as `attention.turns` gives them; None turns nothing.
            sine: as `cosine`.
            virtual_keys: of virtual tokens, [1, key_value_heads, tokens, size]; None where there are none.
            virtual_values: as `virtual_keys`.
            training: whether units are dropped.

        Returns:
            [batch, length, hidden].
        """
        virtual = None if virtual_keys is None else KeysAndValues(virtual_keys, virtual_values)
        return self.decode(inputs, bias, cosine, sine, training, virtual)[0]

    def compute_output_spec(self, inputs: keras.KerasTensor, *args: Any, **kwargs: Any) -> keras.KerasTensor:
        """Says the shape without a trace of the operations, of which a decoder would make thousands."""
        return keras.KerasTensor(inputs.shape, inputs.dtype)

    def start(
        self,
        inputs: tf.Tensor,
        bias: tf.Tensor,
        cosine: tf.Tensor | None,
        sine: tf.Tensor | None,
        places: tf.Tensor | int,
        virtual: KeysAndValues | None = None,
    ) -> tuple[tf.Tensor, Cached]:
        """Decodes whole sequences as `call`, and gives the keys and values of their tokens in a cache of `places`.

        Virtual tokens have places of their own before these.
        """
        outputs, key, value = self.decode(inputs, bias, cosine, sine, False, virtual)

        def cached(x: tf.Tensor, before: tf.Tensor | None) -> tf.Tensor:
            x = tf.pad(x, [[0, 0], [0, 0], [0, places - tf.shape(x)[2]], [0, 0]])
            if before is not None:
                x = tf.concat([tf.repeat(before, tf.shape(x)[0], axis=0), x], 2)
            return tf.reshape(x, [-1, tf.shape(x)[2], self.config.head_size])

        return outputs, Cached(*map(cached, (key, value), virtual or (None, None)))

    def step(
        self,
        inputs: tf.Tensor,
        bias: tf.Tensor,
        cosine: tf.Tensor | None,
        sine: tf.Tensor | None,
        cached: Cached,
        place: tf.Tensor,
    ) -> tuple[tf.Tensor, Cached]:
        """Decodes one token a row.

        Args:
            inputs: [batch, hidden].
            bias: [batch, 1, 1, places].
            cosine: as of `call`, of one position a row.
            sine: as `cosine`.
            cached: keys and values of the tokens before.
            place: where the token's own go, [batch * key_value_heads, 2] int32: row of the cache, and place in it.

        Returns:
            [batch, hidden], and the cache with the token in it.
        """
        config = self.config
        batch = tf.shape(inputs)[0]
        query, key, value = self._heads(inputs, batch, 1, cosine, sine)
        cached = Cached(
            *(
                tf.tensor_scatter_nd_update(old, place, tf.reshape(new, [-1, config.head_size]))
                for old, new in zip(cached, (key, value), strict=True)
            )
        )
        shape = [batch, config.key_value_heads, -1, config.head_size]
        keys, values = (tf.reshape(each, shape) for each in cached)
        attended = self._attend(query, keys, values, bias, False)
        attended = tf.reshape(attended, [-1, config.heads * config.head_size])
        return self.add(inputs, attended, False), cached

    def decode(
        self,
        inputs: tf.Tensor,
        bias: tf.Tensor,
        cosine: tf.Tensor | None,
        sine: tf.Tensor | None,
        training: bool | None,
        virtual: KeysAndValues | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Decodes whole sequences as `call`, and also gives keys and values of their tokens.

        Returns:
            The outputs [batch, length, hidden], and keys and values, each [batch, key_value_heads, length, size].
        """
        shape = tf.shape(inputs)
        x = tf.reshape(inputs, [-1, self.config.hidden_size])  # [batch * length, hidden]
        query, key, value = self._heads(x, shape[0], shape[1], cosine, sine)
        attended = self._attend(query, key, value, bias, training, virtual)
        attended = tf.reshape(attended, [-1, self.config.heads * self.config.head_size])
        return tf.reshape(self.add(x, attended, training), shape), key, value

    def _heads(
        self,
        x: tf.Tensor,
        batch: tf.Tensor,
        length: tf.Tensor | int,
        cosine: tf.Tensor | None,
        sine: tf.Tensor | None,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Queries, keys and values of `x` [batch * length, hidden], each [batch, heads, length, size]."""
        config = self.config
        x = normalised(self.attention_norm, x)

        def split(layer: keras.layers.Dense, heads: int) -> tf.Tensor:
            apart = tf.reshape(dense(layer, x), [batch, length, heads, config.head_size])
            return tf.transpose(apart, [0, 2, 1, 3])

        query, key = split(self.query, config.heads), split(self.key, config.key_value_heads)
        value = split(self.value, config.key_value_heads)
        if config.query_key_norm:
            query, key = normalised(self.query_norm, query), normalised(self.key_norm, key)
        if cosine is not None:
            query, key = turn(query, cosine, sine), turn(key, cosine, sine)
        return query * config.query_scale, key, value

    def _attend(
        self,
        query: tf.Tensor,
        key: tf.Tensor,
        value: tf.Tensor,
        bias: tf.Tensor,
        training: bool | None,
        virtual: KeysAndValues | None = None,
    ) -> tf.Tensor:
        cap, dropout = self.config.attention_soft_cap, self.attention_dropout
        return attend(query, key, value, bias, virtual=virtual, soft_cap=cap, dropout=dropout, training=training)

    def add(
        self,
        x: tf.Tensor,
        attended: tf.Tensor,
        training: bool | None,
        feed_forward: Callable[[tf.Tensor], tf.Tensor] | None = None,
    ) -> tf.Tensor:
        """Adds attention and the feed-forward part.

        Args:
            x: [rows, hidden].
            attended: [rows, heads * size].
            training: whether units are dropped.
            feed_forward: computes the feed-forward part of what is normalised; None takes the layer's own weights.

        Returns:
            `x` plus what comes of `attended`, plus the feed-forward part of that.
        """
        config = self.config
        attended = dense(self.attention_output, attended)
        if config.post_norms:
            attended = normalised(self.after_attention_norm, attended)
        x += self.attention_output_dropout(attended, training=training)
        inputs = normalised(self.feed_forward_norm, x)
        forward = feed_forward(inputs) if feed_forward else self._feed_forward(inputs, training)
        if config.post_norms:
            forward = normalised(self.after_feed_forward_norm, forward)
        return x + self.feed_forward_dropout(forward, training=training)

    def _feed_forward(self, x: tf.Tensor, training: bool | None) -> tf.Tensor:
        activation = self.config.activation
        multiply, weights = multiplied(self.down, training)
        if self.config.gated:
            gated, up = dense(self.gate, x), dense(self.up, x)
            outputs = gated_product(activation, gated, up, *weights, multiply=multiply)
        else:
            outputs = activated_product(activation, dense(self.up, x), *weights, multiply=multiply)
        return followed(self.down, outputs)


def _dense(name: str, inputs: int, outputs: int, bias: bool) -> keras.layers.Dense:
    layer = keras.layers.Dense(outputs, use_bias=bias, dtype="float32", name=name)
    layer.build((None, inputs))
    return layer
