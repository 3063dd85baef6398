"""Encoders with virtual tokens: keys and values in front of those of every layer, or vectors in front of token vectors.

Positions of texts begin after those of the virtual tokens, as they do in Hugging Face's library with PEFT.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras_hub.layers import PositionEmbedding, TokenAndPositionEmbedding

from sftkeras.backbones.dense.adapters import sizes
from sftkeras.backbones.dense.operations import dense
from sftkeras.backbones.virtual_attention import Prefix, Prompt
from sftkeras.internals.keras import all_layers, changeable
from sftkeras.internals.keras_hub import attention_parts, layer_parts


def add_prefix(encoder: keras.Model, layers: tuple[keras.layers.Layer, ...], tokens: int) -> list[Prefix]:
    """Gives the layers of an encoder, in place, keys and values of virtual tokens, which are zeros.

    A layer that is run again and again, as ALBERT's, has them once.
    """
    prefixes = []
    for number, layer in enumerate(layers):
        attention = layer_parts(layer).attention
        heads, width = attention.num_heads, sizes(attention_parts(attention).key)[1]
        prefix = Prefix(tokens, heads, width // heads, name=f"prefix_{number}", dtype=layer.dtype_policy)
        with changeable(layer):
            layer.prefix = prefix
        prefixes.append(prefix)
    known = all_layers(encoder)
    joint = [layer for layer in known if isinstance(layer, TokenAndPositionEmbedding)]  # with positions inside
    for layer in joint or [layer for layer in known if isinstance(layer, PositionEmbedding)]:
        layer.__class__ = LaterTokensAndPositions if joint else LaterPositions
        layer.first = tokens
    return prefixes


def own_pairs(encoder: keras.Model, layers: tuple[keras.layers.Layer, ...], token_ids: np.ndarray) -> list[np.ndarray]:
    """Return the keys and values that each layer of an encoder has for a text of these tokens.

    Returns:
        Of each layer [tokens, 2 * heads * size], as `Prefix` takes them.
    """
    firsts = {
        str(number): layer.input[0] if isinstance(layer.input, list) else layer.input
        for number, layer in enumerate(layers)
    }
    inputs = {"token_ids": token_ids, "segment_ids": 0 * token_ids, "padding_mask": np.ones_like(token_ids)}
    given = {name: tf.constant(inputs[name][np.newaxis], tf.int32) for name in encoder.input}
    states = keras.Model(encoder.input, firsts)(given, training=False)
    pairs = []
    for number, layer in enumerate(layers):
        state = states[str(number)]
        attention = attention_parts(layer_parts(layer).attention)
        both = [dense(part, state[0], training=False) for part in (attention.key, attention.value)]
        pairs.append(tf.cast(tf.concat(both, -1), tf.float32).numpy())
    return pairs


class _Later:
    """Mixin of a layer of positions that begin with another than the first.

    Attributes:
        first: the position of the first token.
    """

    first = 0

    def get_config(self) -> dict[str, Any]:
        """The settings of the layer, and the first position."""
        return {**super().get_config(), "first": self.first}  # type: ignore[misc]

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A layer of this config."""
        layer = cls(**{name: value for name, value in config.items() if name != "first"})
        layer.first = config["first"]
        return layer

    def call(self, inputs: tf.Tensor, start_index: int = 0, positions: tf.Tensor | None = None) -> tf.Tensor:
        """Return what the plain layer gives `inputs` that begin later."""
        return super().call(inputs, start_index=start_index + self.first, positions=positions)  # type: ignore[misc]


@keras.saving.register_keras_serializable("sftkeras")
class LaterPositions(_Later, PositionEmbedding):
    """Vectors of positions that begin later."""


@keras.saving.register_keras_serializable("sftkeras")
class LaterTokensAndPositions(_Later, TokenAndPositionEmbedding):
    """Vectors of tokens, and of positions that begin later."""


@keras.saving.register_keras_serializable("sftkeras")
class PromptedEmbedding(keras.layers.ReversibleEmbedding):
    """The table of tokens' vectors, which gives those of virtual tokens in front of them.

    Not in `call`, which others change, as `give_token_vectors` does: what is done to token vectors is done to those of
    texts alone.

    Attributes:
        prompt: the vectors in front.
    """

    prompt: Prompt

    def __call__(self, inputs: tf.Tensor, *args: Any, **kwargs: Any) -> tf.Tensor:
        """Return vectors [batch, virtual tokens + length, size]; with `reverse`, logits as the plain layer."""
        outputs = super().__call__(inputs, *args, **kwargs)
        is_plain = args or kwargs.get("reverse") or isinstance(outputs, keras.KerasTensor)  # whose length is open
        return outputs if is_plain else self.prompt.before(outputs)

    def get_config(self) -> dict[str, Any]:
        """The settings of the table, and how many virtual tokens there are."""
        return {**super().get_config(), "virtual_tokens": self.prompt.tokens}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> PromptedEmbedding:
        """A layer of this config."""
        embedding = cls(**{name: value for name, value in config.items() if name != "virtual_tokens"})
        give_prompt(embedding, config["virtual_tokens"])
        return embedding


@keras.saving.register_keras_serializable("sftkeras")
class PromptedTokensAndPositions(TokenAndPositionEmbedding):
    """Vectors of tokens and positions, whose table of tokens is a `PromptedEmbedding`."""

    def get_config(self) -> dict[str, Any]:
        """The settings of the layer, and how many virtual tokens there are."""
        return {**super().get_config(), "virtual_tokens": self.token_embedding.prompt.tokens}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> PromptedTokensAndPositions:
        """A layer of this config."""
        layer = cls(**{name: value for name, value in config.items() if name != "virtual_tokens"})
        give_prompt(layer.token_embedding, config["virtual_tokens"])
        return layer


def give_prompt(embedding: keras.layers.ReversibleEmbedding, tokens: int) -> None:
    """Gives a table of tokens' vectors, in place, virtual tokens whose vectors are zeros."""
    embedding.__class__ = PromptedEmbedding
    with changeable(embedding) if embedding.built else nullcontext():
        embedding.prompt = Prompt(tokens, embedding.output_dim, name="prompt", dtype=embedding.dtype_policy)


class PromptedEncoder(keras.Model):
    """An encoder with virtual tokens in front of those of each row, which are not among its outputs.

    It has the encoder's inputs and outputs, and what else of it is asked for here.

    Args:
        encoder: whose table of tokens is changed in place.
        tokens: virtual tokens.
    """

    def __init__(self, encoder: keras.Model, tokens: int) -> None:
        give_prompt(encoder.token_embedding, tokens)
        for layer in all_layers(encoder):
            if type(layer) is TokenAndPositionEmbedding:
                layer.__class__ = PromptedTokensAndPositions
        inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in encoder.input}
        # Virtual tokens are no padding, and in the first segment. They have no numbers: the embedding has vectors.
        fill = {"padding_mask": 1, "segment_ids": 0}
        longer = {name: InFront(tokens, fill[name])(it) if name in fill else it for name, it in inputs.items()}
        whole = keras.Model(encoder.input, encoder.output["sequence_output"], name=encoder.name)
        vectors = whole(longer)[:, tokens:]
        pooler = encoder.pooled_dense
        pooled = vectors[:, 0] if pooler is None else pooler(vectors[:, 0])
        outputs = {"sequence_output": vectors, "pooled_output": pooled}
        super().__init__(inputs=inputs, outputs=outputs, name=f"prompted_{encoder.name}")
        sizes = ("vocabulary_size", "num_layers", "num_heads", "hidden_dim", "intermediate_dim", "max_sequence_length")
        for name in (*sizes, "token_embedding", "transformer_layers", "pooled_dense", "model_type"):
            if hasattr(encoder, name):
                setattr(self, name, getattr(encoder, name))


@keras.saving.register_keras_serializable("sftkeras")
class InFront(keras.layers.Layer):
    """Puts as many of a number in front of each row as there are virtual tokens.

    Args:
        tokens: virtual tokens.
        fill: the number.
    """

    def __init__(self, tokens: int, fill: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tokens, self.fill = tokens, fill

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """`inputs` [batch, length] int32 with the number in front, [batch, tokens + length]."""
        return tf.pad(inputs, [[0, 0], [self.tokens, 0]], constant_values=self.fill)

    def compute_output_spec(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Says the shape without a trace."""
        return keras.KerasTensor((inputs.shape[0], None), "int32")

    def get_config(self) -> dict[str, Any]:
        """Its settings."""
        return {**super().get_config(), "tokens": self.tokens, "fill": self.fill}
