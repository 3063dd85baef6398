"""A decoder as it is exported: few products, which use all cores, and a cache that is written in place.

Queries, keys and values of a layer are one product: at one token a row, operations cost much beside their work. The
feed-forward part and the logits are two halves that do not depend on each other, and so run side by side: a server
gives an operation half of the cores, and one core alone reads weights more slowly than memory gives them. A graph holds
one layer of each form, as a function of its weights, which it calls for each: a loader looks at all functions of a
graph, again for each signature that is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from sftkeras.backbones.decoders.activations import activated_product, gated_product
from sftkeras.backbones.decoders.attention import attend, turn
from sftkeras.backbones.decoders.caches import PagedCache, RowCache
from sftkeras.backbones.decoders.decoder import Decoder
from sftkeras.backbones.decoders.layer import DecoderLayer, normalised
from sftkeras.backbones.dense.adapters import following_of, merged
from sftkeras.backbones.dense.operations import followed, product
from sftkeras.backbones.virtual_attention import KeysAndValues

_HALVES = 2  # of the feed-forward part and of the logits
_SLICED = 3  # how much longer than its used places a cache must be, so that a copy of these is worth its time


class JoinedDecoder:
    """Reads tokens into a cache, by the weights of a decoder at the time it is made.

    The cache is one tensor, [layers, 2, batch, key_value_heads, places, head size] float32: keys and values of each
    layer. `read` writes into the memory of the tensor that it is given, and returns the same memory.

    Args:
        decoder: the network. Its weights that are joined are copied, the others shared.

    Attributes:
        positions: most tokens that it reads, prompt and text together.
        weights: all that its functions read, each once, in a stable order.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._config = decoder.config
        self._layers = list(map(_JoinedLayer, decoder.transformer_layers, decoder.virtual_pairs()))
        self.positions = decoder.positions
        # Layers of a form differ in their weights alone, so one stands for all.
        firsts = {layer.form: layer for layer in reversed(self._layers)}
        self._forms = {form: tf.function(layer, autograph=False) for form, layer in firsts.items()}
        tokens = tf.TensorSpec([None, None], tf.int32)
        self._read = tf.function(
            self._read_rows,
            input_signature=[tokens, tokens, tf.TensorSpec(self.cache_shape, tf.float32)],
            autograph=False,
        )
        kept = [tf.nest.flatten(layer.weights) for layer in self._layers]
        shared = {id(variable.value): variable.value for variable in _outside_of_layers(decoder)}
        shared |= {id(variable): variable for variables in kept for variable in variables}
        self.weights: list[tf.Variable] = list(shared.values())

    @property
    def cache_shape(self) -> tuple[int | None, ...]:
        """[layers, 2, batch, key_value_heads, places, head size], None for those that vary."""
        config = self._config
        return config.layers, 2, None, config.key_value_heads, None, config.head_size

    def empty_cache(self, batch: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
        """Return a cache of zeros for `batch` rows of `places` tokens."""
        layers, kinds, _, heads, _, size = self.cache_shape
        # An operation that is never merged with another of the same shape, as zeros are.
        cache = tf.raw_ops.Empty(
            shape=tf.stack([layers, kinds, batch, heads, places, size]), dtype=tf.float32, init=True
        )
        return tf.ensure_shape(cache, self.cache_shape)

    def read(self, token_ids: tf.Tensor, positions: tf.Tensor, cache: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Reads tokens, which see those before them in the cache and one another.

        A token's place in the cache is its position. A row with fewer tokens than others repeats its last one, with the
        same position, which changes nothing.

        Args:
            token_ids: [batch, new] int32.
            positions: [batch, new] int32, below the places of the cache.
            cache: with the tokens before.

        Returns:
            The outputs, [batch, new, hidden], and the cache with these tokens in it.
        """
        return self._read(token_ids, positions, cache)

    def _read_rows(self, token_ids: tf.Tensor, positions: tf.Tensor, cache: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        length = tf.shape(cache)[4]
        used = tf.reduce_max(tf.concat([[0], tf.reshape(positions, [-1])], 0)) + 1
        places = tf.where(used * _SLICED < length, used, length)
        outputs, flat = self._decode(token_ids, positions, RowCache.of(cache, positions, places))
        return outputs, tf.reshape(flat, tf.shape(cache))

    def pages_shape(self, tokens: int) -> tuple[int | None, ...]:
        """Return the shape of pages of so many tokens, None where their number stands; see `PagedCache`."""
        config = self._config
        return config.layers, 2, config.key_value_heads, None, tokens, config.head_size

    def read_pages(self, token_ids: tf.Tensor, positions: tf.Tensor, tables: tf.Tensor, pages: tf.Tensor) -> tf.Tensor:
        """Reads tokens as `read`, of rows whose keys and values stand in pages, which are written in place.

        Args:
            token_ids: [batch, new] int32.
            positions: [batch, new] int32.
            tables: the pages of each row in order, [batch, pages of a row] int32.
            pages: of `pages_shape`.

        Returns:
            The outputs, [batch, new, hidden].
        """
        return self._decode(token_ids, positions, PagedCache.of(pages, positions, tables))[0]

    def _decode(
        self, token_ids: tf.Tensor, positions: tf.Tensor, cache: RowCache | PagedCache
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The outputs [batch, new, hidden] of tokens, and the memory of the cache with them in it, flat."""
        config, shared = self._config, self._decoder.shared
        positions += self._decoder.virtual_tokens  # which are in no cache
        x = self._decoder.embeddings.call(token_ids, positions)
        x = tf.reshape(x, [-1, config.hidden_size])  # [batch * new, hidden]
        tensors = shared.of_cache(positions, cache.places)
        shape = tf.shape(positions)
        for number, layer in enumerate(self._layers):
            weights = tf.nest.map_structure(tf.convert_to_tensor, layer.weights)
            x, cache = self._forms[layer.form](weights, x, shape, shared.of_layer(tensors, number), cache)
        outputs = self._decoder.normalised_outputs(x)
        return tf.reshape(outputs, tf.concat([tf.shape(positions), [config.hidden_size]], 0)), cache.flat

    def logits(self, vectors: tf.Tensor) -> tf.Tensor:
        """Return the logits [..., vocabulary] float32 of the token after each vector."""
        return self._decoder.logits(vectors, parts=_HALVES)


class _Weights(NamedTuple):
    """Weights of a layer.

    Attributes:
        query_key_value: joined kernel, and the bias if there is one.
        inner: kernel, and bias if there is one, of up, or of gate and up, of each part of the feed-forward part:
            [parts * kinds, hidden, size] and [parts * kinds, size].
        down: kernel of each part, and the bias if there is one: [parts, size, hidden] and [hidden].
        virtual: keys and values of virtual tokens, if there are any.
        apart: all others.
    """

    query_key_value: Sequence[Any]
    inner: Sequence[Any]
    down: Sequence[Any]
    virtual: Sequence[Any]
    apart: Sequence[Any]


class _JoinedLayer:
    """One layer with joined weights, as a function of them.

    Args:
        layer: the layer.
        virtual: keys and values of virtual tokens in it.

    Attributes:
        weights: of the layer, as variables.
        form: what else distinguishes it from other layers.
    """

    def __init__(self, layer: DecoderLayer, virtual: KeysAndValues | None) -> None:
        self._layer, self._config = layer, layer.config
        # Rotary positions turn the scaled as they turn the unscaled, and a norm would undo it.
        self._scale = layer.config.query_scale
        self._scales_weights = not layer.config.query_key_norm
        query_scale = self._scale if self._scales_weights else 1.0
        self._parts = 1 if layer.config.inner_size % _HALVES else _HALVES
        feeding = [layer.gate, layer.up] if layer.config.gated else [layer.up]
        own = {"query", "key", "value", "down", *(each.name for each in feeding)}
        parts = (part for name, part in layer.parts().items() if name not in own)
        self._apart = [variable for part in parts for variable in part.variables]
        following = [following_of(each) for each in (layer.attention_output, layer.down)]
        self._apart += following[1].variables if following[1] else []
        self.form = tuple(each and each.settings for each in following)
        self.weights = _Weights(
            _joined("query_key_value", [layer.query, layer.key, layer.value], query_scale),
            _in_parts("gate_up", feeding, self._parts),
            _down_in_parts(layer.down, self._parts),
            [tf.Variable(each, trainable=False, name="virtual") for each in virtual or ()],
            [variable.value for variable in self._apart],
        )

    def __call__(
        self,
        weights: _Weights,
        x: tf.Tensor,
        shape: tf.Tensor,
        shared: tuple[tf.Tensor, tf.Tensor | None, tf.Tensor | None],
        cache: RowCache | PagedCache,
    ) -> tuple[tf.Tensor, RowCache | PagedCache]:
        """Decodes tokens as the layer that has these weights.

        Args:
            weights: of a layer, as tensors.
            x: [batch * new, hidden].
            shape: batch and new.
            shared: bias of attention scores, cosines and sines, as `SharedByLayers.of_layer` gives them.
            cache: before this layer.

        Returns:
            [batch * new, hidden], and the cache before the next layer.
        """
        bias, cosine, sine = shared
        with keras.StatelessScope(state_mapping=list(zip(self._apart, weights.apart, strict=True))):
            query, new = self._heads(weights.query_key_value, x, shape, cosine, sine)
            keys, values, cache = cache.with_new(new)
            return self._decode(weights, x, query, keys, values, bias), cache

    def _heads(
        self,
        joined: Sequence[tf.Tensor],
        x: tf.Tensor,
        shape: tf.Tensor,
        cosine: tf.Tensor | None,
        sine: tf.Tensor | None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Queries [batch, heads, new, size], and keys and values [2, batch, key_value_heads, new, size]."""
        config, layer = self._config, self._layer
        own, shared = config.heads, config.key_value_heads
        together = _product(normalised(layer.attention_norm, x), joined)
        together = tf.reshape(together, [shape[0], shape[1], own + 2 * shared, config.head_size])
        together = tf.transpose(together, [0, 2, 1, 3])
        turned, value = tf.split(together, [own + shared, shared], 1)
        if config.query_key_norm:
            query, key = tf.split(turned, [own, shared], 1)
            turned = tf.concat([normalised(layer.query_norm, query), normalised(layer.key_norm, key)], 1)
        if cosine is not None:
            turned = turn(turned, cosine, sine)
        query, key = tf.split(turned, [own, shared], 1)
        if not self._scales_weights:
            query *= self._scale
        return query, tf.stack([key, value])

    def _decode(
        self,
        weights: _Weights,
        x: tf.Tensor,
        query: tf.Tensor,
        key: tf.Tensor,
        value: tf.Tensor,
        bias: tf.Tensor,
    ) -> tf.Tensor:
        """Return `x` [batch * new, hidden] as the layer leaves it; the others are as in `attend`."""
        config, layer = self._config, self._layer
        dropout, cap = layer.attention_dropout, config.attention_soft_cap
        virtual = KeysAndValues(*weights.virtual) if weights.virtual else None
        attended = attend(query, key, value, bias, virtual=virtual, soft_cap=cap, dropout=dropout, training=False)
        attended = tf.reshape(attended, [-1, config.heads * config.head_size])
        return layer.add(x, attended, False, feed_forward=lambda inputs: self._feed_forward(weights, inputs))

    def _feed_forward(self, weights: _Weights, x: tf.Tensor) -> tf.Tensor:
        """The feed-forward part of `x` [rows, hidden], the sum of its parts."""
        config = self._config
        activated = gated_product if config.gated else activated_product
        # Leading parts of a tensor are no copies.
        inputs = [_product(x, each) for each in zip(*map(tf.unstack, weights.inner), strict=True)]
        kernel, *bias = weights.down
        kinds = len(inputs) // self._parts
        outputs = [
            activated(config.activation, *inputs[part * kinds : (part + 1) * kinds], down)
            for part, down in enumerate(tf.unstack(kernel))
        ]
        whole = tf.nn.bias_add(tf.add_n(outputs), *bias) if bias else tf.add_n(outputs)
        return followed(self._layer.down, whole)


def _joined(name: str, layers: list[keras.layers.Dense], scale: float = 1.0) -> list[tf.Variable]:
    """Kernel, and bias if there is one, of dense layers of the same inputs as one; the first times a number."""
    scales = [scale, *[1.0] * (len(layers) - 1)]
    both = [merged(layer) for layer in layers]
    kernels = [kernel * scale for (kernel, _), scale in zip(both, scales, strict=True)]
    variables = [tf.Variable(tf.concat(kernels, 1), trainable=False, name=f"{name}/kernel")]
    if layers[0].bias is not None:
        biases = [bias * scale for (_, bias), scale in zip(both, scales, strict=True) if bias is not None]
        variables.append(tf.Variable(tf.concat(biases, 0), trainable=False, name=f"{name}/bias"))
    return variables


def _in_parts(name: str, layers: list[keras.layers.Dense], parts: int) -> list[tf.Variable]:
    """Kernel [parts * layers, inputs, size], and bias [parts * layers, size] if there is one, of parts of outputs."""
    both = [merged(layer) for layer in layers]
    apart = [tf.split(kernel, parts, 1) for kernel, _ in both]
    variables = [tf.Variable(_by_part(apart), trainable=False, name=f"{name}/kernel")]
    if layers[0].bias is not None:
        biases = [tf.split(bias, parts) for _, bias in both if bias is not None]
        variables.append(tf.Variable(_by_part(biases), trainable=False, name=f"{name}/bias"))
    return variables


def _by_part(of_layers: list[list[tf.Tensor]]) -> tf.Tensor:
    """Parts of several layers in one tensor, those of the first part of each before the others."""
    return tf.stack([each for parts in zip(*of_layers, strict=True) for each in parts])


def _down_in_parts(layer: keras.layers.Dense, parts: int) -> list[tf.Variable]:
    """Kernel [parts, size, outputs] of parts of the inputs, and the bias [outputs] if there is one."""
    kernel, bias = merged(layer)
    variables = [tf.Variable(tf.stack(tf.split(kernel, parts)), trainable=False, name="down/kernel")]
    return variables if bias is None else [*variables, tf.Variable(bias, trainable=False, name="down/bias")]


def _product(x: tf.Tensor, weights: Sequence[tf.Tensor]) -> tf.Tensor:
    """`x` [rows, inputs] times the kernel, plus the bias if there is one."""
    kernel, *bias = weights
    outputs = product(x, kernel)
    return tf.nn.bias_add(outputs, *bias) if bias else outputs


def _outside_of_layers(decoder: Decoder) -> list[keras.Variable]:
    joined: list[keras.layers.Layer] = [*decoder.transformer_layers, *([decoder.virtual] if decoder.virtual else [])]
    inside = {id(variable) for layer in joined for variable in layer.variables}
    owned = [*decoder.variables, *decoder.output_layer.variables]
    return [variable for variable in owned if id(variable) not in inside]
