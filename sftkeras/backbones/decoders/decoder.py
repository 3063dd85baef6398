"""A decoder as one Keras model: token numbers to vectors after the last norm, for whole sequences or step by step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from sftkeras.backbones.decoders.attention import cache_bias, score_bias, turns, virtual_bias
from sftkeras.backbones.decoders.config import DecoderConfig, Rope
from sftkeras.backbones.decoders.layer import Cached, DecoderLayer, PartOfDecoder, make_norm, normalised
from sftkeras.backbones.decoders.virtual import VirtualKeys
from sftkeras.backbones.dense.operations import product
from sftkeras.backbones.dropout import StreamNoise, shared_by_rows
from sftkeras.backbones.virtual_attention import KeysAndValues

Cache = tuple[Cached, ...]  # of each layer


class Decoder(keras.Model):
    """A pretrained language model without its loss.

    It maps `{"token_ids", "positions", "segments"}`, each [batch, length] int32, to `{"sequence_output": [batch,
    length, hidden]}`. A token sees itself and earlier tokens of its own segment, so that several texts may stand in one
    row, each with a segment and positions of its own; padding is a segment too, 0.

    `start` and `step` compute the same with a cache, for sequences that are padded at their end.

    Virtual tokens, if it has any, come before each text and have the first positions. No input counts them, and no
    output is theirs.

    Args:
        config: what it computes.
        parts: what it is made of; None makes it anew.
        virtual: gives the keys and values of virtual tokens; None where there are none.

    Attributes:
        config: what it computes.
        token_embedding: the table of the tokens' vectors.
        position_embedding: the table of learned positions; None where positions are turned.
        transformer_layers: the layers from the first to the last.
        output_layer: the layer whose table gives logits; the token embedding itself where they are tied. It is no part
            of the graph from inputs to outputs: a network that needs logits must own it.
        last_norm: the norm after the last layer.
        embeddings: token numbers and positions to vectors.
        shared: makes what all layers share.
        virtual: gives the keys and values of virtual tokens; None where there are none.
        source: config.json of the checkpoint it is from; None if it was made of a config alone.
    """

    source: dict[str, Any] | None = None

    def __init__(self, config: DecoderConfig, parts: _Parts | None = None, virtual: VirtualKeys | None = None) -> None:
        names = ("token_ids", "positions", "segments")
        inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in names}
        parts = parts or _Parts.of(config)
        embeddings, layers, last_norm = parts.embeddings, parts.layers, parts.last_norm
        shared = SharedByLayers(config, virtual.tokens if virtual else 0, name="shared_by_layers")
        positions = inputs["positions"] + virtual.tokens if virtual else inputs["positions"]
        x = embeddings(inputs["token_ids"], positions)
        tensors = shared(positions, inputs["segments"])
        of_virtual = virtual(positions) if virtual else []
        for number, layer in enumerate(layers):
            x = layer(x, *shared.of_layer(tensors, number), *of_virtual[2 * number : 2 * number + 2])
        super().__init__(inputs=inputs, outputs={"sequence_output": last_norm(x)}, name="decoder")
        self.config = config
        self.transformer_layers = layers
        self.token_embedding = embeddings.tokens
        self.position_embedding = embeddings.positions
        self.output_layer = parts.output_layer
        self.last_norm = last_norm.norm
        self.embeddings, self.shared, self.virtual, self._last_norm = embeddings, shared, virtual, last_norm

    def with_virtual_tokens(self, virtual: VirtualKeys) -> Decoder:
        """Return a decoder of the same layers with virtual tokens before those of each text."""
        parts = _Parts(self.embeddings, self.transformer_layers, self._last_norm, self.output_layer)
        decoder = Decoder(self.config, parts, virtual)
        decoder.source = self.source
        return decoder

    @property
    def model_type(self) -> str:
        """Name of its family in config.json; "decoder" if it was made of a config alone."""
        return self.source["model_type"] if self.source else "decoder"

    @property
    def output_kernel(self) -> keras.Variable:
        """Output table, [vocabulary, hidden]: its products with vectors are logits. The embedding's own where tied."""
        return self.output_layer.embeddings

    @property
    def output_source(self) -> keras.layers.Layer:
        """The layer of the network that `output_layer` is a part of where they are tied; otherwise itself."""
        return self.embeddings if self.config.tied else self.output_layer

    @property
    def virtual_tokens(self) -> int:
        """Number of virtual tokens before each text."""
        return self.virtual.tokens if self.virtual else 0

    @property
    def positions(self) -> int:
        """Most tokens of a text."""
        return self.config.max_positions - self.virtual_tokens

    @property
    def noise(self) -> StreamNoise:
        """Noise added to token vectors while they learn: none, unless its `alpha` is set."""
        return self.embeddings.noise

    @property
    def final_soft_cap(self) -> float | None:
        """Bound of the logits, if any: l become cap * tanh(l / cap)."""
        return self.config.final_soft_cap

    def normalised_outputs(self, x: tf.Tensor) -> tf.Tensor:
        """Return `x` [..., hidden] of the last layer after the last norm."""
        return self._last_norm.call(x)

    def set_vocabulary_size(self, rows: int) -> None:
        """Notes that the tables were given another number of rows."""
        self.config = self.embeddings.config = replace(self.config, vocabulary_size=rows)

    def set_config(self, config: DecoderConfig) -> None:
        """Notes that the kernels of all layers were cut to these sizes."""
        self.config = config
        parts: list[PartOfDecoder] = [self.embeddings, self.shared, *self.transformer_layers, self._last_norm]
        for part in parts:
            part.config = config

    def logits(self, vectors: tf.Tensor, parts: int = 1) -> tf.Tensor:
        """Return the logits of outputs.

        Args:
            vectors: outputs, [..., hidden].
            parts: of the table, whose products do not depend on each other.

        Returns:
            [..., vocabulary] float32.
        """
        rows = tf.reshape(tf.cast(vectors, tf.float32), [-1, self.config.hidden_size])
        kernel = tf.convert_to_tensor(self.output_kernel.value)
        logits = product(rows, kernel, transpose_b=True) if parts == 1 else _product_by_parts(rows, kernel, parts)
        if self.final_soft_cap is not None:
            logits = self.final_soft_cap * tf.tanh(logits * (1 / self.final_soft_cap))
        return tf.reshape(logits, tf.concat([tf.shape(vectors)[:-1], [kernel.shape[0]]], 0))

    def start(
        self, token_ids: tf.Tensor, positions: tf.Tensor, segments: tf.Tensor, cache_length: tf.Tensor | int
    ) -> tuple[tf.Tensor, Cache]:
        """Decodes the beginning of sequences, and keeps the keys and values of its tokens for `step`.

        Each row is one sequence whose tokens come first and padding after them: positions count from 0, segments are 1
        for tokens and 0 for padding. A token's place in the cache is its position, so the places of padding are
        overwritten by the tokens to come, and none of these sees a place after its own.

        Args:
            token_ids: [batch, length] int32.
            positions: [batch, length] int32.
            segments: [batch, length] int32.
            cache_length: places of the cache, at least `length`: most tokens that a sequence will have.

        Returns:
            The outputs, [batch, length, hidden], and the cache.
        """
        positions += self.virtual_tokens
        x = self.embeddings.call(token_ids, positions)
        tensors = self.shared.call(positions, segments)
        cache = []
        for number, (layer, virtual) in enumerate(zip(self.transformer_layers, self.virtual_pairs(), strict=True)):
            x, cached = layer.start(x, *self.shared.of_layer(tensors, number), cache_length, virtual)
            cache.append(cached)
        return self.normalised_outputs(x), tuple(cache)

    def virtual_pairs(self) -> Sequence[KeysAndValues | None]:
        """Return the keys and values of virtual tokens in each layer; None for each where there are none."""
        return self.virtual.of_layers(training=False) if self.virtual else [None] * self.config.layers

    def keys_and_values(self, vectors: tf.Tensor, training: bool | None = None) -> list[KeysAndValues]:
        """Return the keys and values that its layers have for vectors in the place of a text's token vectors.

        Args:
            vectors: [tokens, hidden], scaled as the decoder scales its own.
            training: whether units are dropped.
        """
        positions = tf.range(tf.shape(vectors)[0])[tf.newaxis]
        tensors = self.shared.call(positions, tf.ones_like(positions))
        pairs = []
        with shared_by_rows():  # they belong to all rows
            x = self.embeddings.placed(vectors[tf.newaxis], positions, training)
            for number, layer in enumerate(self.transformer_layers):
                x, keys, values = layer.decode(x, *self.shared.of_layer(tensors, number), training)
                pairs.append(KeysAndValues(keys, values))
        return pairs

    def step(self, token_ids: tf.Tensor, positions: tf.Tensor, cache: Cache) -> tuple[tf.Tensor, Cache]:
        """Decodes one more token of each sequence.

        Args:
            token_ids: [batch] int32.
            positions: [batch] int32: how many tokens of the sequence came before it.
            cache: of `start`, or of the step before; its tensors are not changed.

        Returns:
            The outputs, [batch, hidden], and the cache with these tokens in it.
        """
        heads = self.config.key_value_heads
        positions += self.virtual_tokens  # which have the first places of the cache too
        x = tf.squeeze(self.embeddings.call(token_ids[:, tf.newaxis], positions[:, tf.newaxis]), 1)
        places = tf.shape(cache[0].keys)[1] - self.virtual_tokens
        tensors = self.shared.of_cache(positions[:, tf.newaxis], places)
        rows = tf.range(tf.shape(positions)[0] * heads)
        place = tf.stack([rows, tf.repeat(positions, heads)], -1)
        following = []
        for number, layer in enumerate(self.transformer_layers):
            x, cached = layer.step(x, *self.shared.of_layer(tensors, number), cache[number], place)
            following.append(cached)
        return self.normalised_outputs(x), tuple(following)


def _table(rows: int, hidden: int, name: str) -> keras.layers.Embedding:
    table = keras.layers.Embedding(rows, hidden, dtype="float32", name=name)
    table.build((None,))
    return table


def _rows(table: keras.layers.Embedding, numbers: tf.Tensor) -> tf.Tensor:
    """Rows of a table by their numbers of any shape.

    They are gathered from its value. A variable that `tf.gather` reads itself is copied, from then on, each time that
    its value is read: output logits of a tied table would cost a copy of it in every step.
    """
    return tf.gather(tf.convert_to_tensor(table.embeddings.value), numbers)


def _product_by_parts(rows: tf.Tensor, table: tf.Tensor, parts: int) -> tf.Tensor:
    """Products of `rows` [rows, hidden] with those of a table [vocabulary, hidden], as [rows, vocabulary]."""
    size = -(-table.shape[0] // parts)
    # A slice of a tensor's first dimension is no copy.
    slices = (table[first : first + size] for first in range(0, table.shape[0], size))
    return tf.concat([product(rows, some, transpose_b=True) for some in slices], 1)


@keras.saving.register_keras_serializable("sftkeras")
class Embeddings(PartOfDecoder):
    """Token vectors, scaled, plus learned positions where a decoder has them."""

    def make_parts(self) -> None:
        """Makes the tables."""
        config = self.config
        self.tokens = _table(config.vocabulary_size, config.hidden_size, "token_embedding")
        rows = config.learned_positions
        self.positions = _table(rows, config.hidden_size, "position_embedding") if rows else None
        self.noise = StreamNoise(dtype="float32")
        self.dropout = keras.layers.Dropout(config.embedding_dropout, dtype="float32")

    def call(self, token_ids: tf.Tensor, positions: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Return vectors [batch, length, hidden] of tokens and positions, each [batch, length]."""
        return self.placed(self.of_tokens(token_ids), positions, training, noise=self.noise)

    def of_tokens(self, token_ids: tf.Tensor) -> tf.Tensor:
        """Return the vectors of tokens alone, scaled."""
        x = _rows(self.tokens, token_ids)
        return x if self.config.embedding_scale is None else x * self.config.embedding_scale

    def placed(
        self, x: tf.Tensor, positions: tf.Tensor, training: bool | None, noise: StreamNoise | None = None
    ) -> tf.Tensor:
        """Return token vectors `x` [batch, length, hidden] with those of their positions."""
        if self.positions is not None:
            x += _rows(self.positions, positions + self.config.first_position)
        if noise is not None:
            x = noise(x, positions, training=training)
        return self.dropout(x, training=training)

    def compute_output_spec(self, token_ids: keras.KerasTensor, *args: Any, **kwargs: Any) -> keras.KerasTensor:
        """Says the shape without a trace."""
        return keras.KerasTensor((*token_ids.shape, self.config.hidden_size), "float32")


@keras.saving.register_keras_serializable("sftkeras")
class SharedByLayers(PartOfDecoder):
    """Tensors that layers share: a bias of attention scores for each window, turns of each kind of rotary positions.

    Args:
        config: of the decoder.
        virtual_tokens: virtual tokens before each text, from which positions are counted.
    """

    def __init__(self, config: DecoderConfig, virtual_tokens: int = 0, **kwargs: Any) -> None:
        self._virtual_tokens = virtual_tokens
        super().__init__(config, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """The decoder's config, and the number of virtual tokens."""
        return {**super().get_config(), "virtual_tokens": self._virtual_tokens}

    def make_parts(self) -> None:
        """Lists the windows and the kinds of rotary positions that there are."""
        config = self.config
        self._windows: list[int | None] = list(dict.fromkeys(config.windows))
        self._ropes: list[Rope] = list(dict.fromkeys(rope for rope in config.ropes if rope))

    def call(self, positions: tf.Tensor, segments: tf.Tensor) -> list[tf.Tensor]:
        """Return the tensors of whole sequences; `of_layer` finds those of a layer."""
        biases = (score_bias(segments, window) for window in self._windows)
        return [*self._with_virtual(positions, biases), *self._turns(positions)]

    def of_cache(self, positions: tf.Tensor, places: tf.Tensor) -> list[tf.Tensor]:
        """Return the tensors of tokens at `positions` [batch, new], with a cache of `places` for the texts."""
        biases = (cache_bias(positions - self._virtual_tokens, places, window) for window in self._windows)
        return [*self._with_virtual(positions, biases), *self._turns(positions)]

    def of_layer(self, tensors: Sequence[Any], number: int) -> tuple[Any, Any | None, Any | None]:
        """Return the bias, the cosines and the sines for one layer; None for what does not turn."""
        bias = tensors[self._windows.index(self.config.windows[number])]
        rope = self.config.ropes[number]
        if rope is None:
            return bias, None, None
        at = len(self._windows) + 2 * self._ropes.index(rope)
        return bias, tensors[at], tensors[at + 1]

    def _with_virtual(self, positions: tf.Tensor, biases: Iterable[tf.Tensor]) -> list[tf.Tensor]:
        """The bias of each window, with that of virtual tokens in front."""
        tokens = self._virtual_tokens
        if not tokens:
            return list(biases)
        return [
            tf.concat([virtual_bias(positions, tokens, window), bias], -1)
            for window, bias in zip(self._windows, biases, strict=True)
        ]

    def _turns(self, positions: tf.Tensor) -> list[tf.Tensor]:
        return [tensor for rope in self._ropes for tensor in turns(rope, positions)]

    def compute_output_spec(self, positions: keras.KerasTensor, segments: keras.KerasTensor) -> list[keras.KerasTensor]:
        """Says the shapes without a trace."""
        batch, length = positions.shape
        places = None if length is None else self._virtual_tokens + length
        biases = [keras.KerasTensor((batch, 1, length, places), "float32") for _ in self._windows]
        turning = [2 * len(rope.frequencies) for rope in self._ropes for _ in range(2)]
        return [*biases, *(keras.KerasTensor((batch, 1, length, numbers), "float32") for numbers in turning)]


@keras.saving.register_keras_serializable("sftkeras")
class LastNorm(PartOfDecoder):
    """The norm after the last layer."""

    def make_parts(self) -> None:
        """Makes the norm."""
        self.norm = make_norm(self.config, "norm")
        self.norm.build((None, self.config.hidden_size))

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """`inputs` [..., hidden], normalised."""
        rows = tf.reshape(inputs, [-1, inputs.shape[-1]])
        return tf.reshape(normalised(self.norm, rows), tf.shape(inputs))

    def compute_output_spec(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Says the shape without a trace."""
        return keras.KerasTensor(inputs.shape, "float32")


class _Parts(NamedTuple):
    """Layers that a decoder is made of."""

    embeddings: Embeddings
    layers: list[DecoderLayer]
    last_norm: LastNorm
    output_layer: keras.layers.Embedding

    @classmethod
    def of(cls, config: DecoderConfig) -> _Parts:
        """Make the layers of a config."""
        embeddings = Embeddings(config, name="embeddings")
        return cls(
            embeddings,
            [DecoderLayer(config, name=f"layer_{number}") for number in range(config.layers)],
            LastNorm(config, name="last_norm"),
            embeddings.tokens if config.tied else _table(config.vocabulary_size, config.hidden_size, "output"),
        )
