"""Encoder, pooling and head as one plain functional model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import keras
import tensorflow as tf

from sftkeras.backbones import Backbone
from sftkeras.backbones.dropout import use_stream_dropout
from sftkeras.config import Pooling, opening_markers
from sftkeras.errors import SFTError
from sftkeras.tasks.contract import Task
from sftkeras.text import Features, SpecialStrings

# Those that make one vector of all tokens' alike.
TextPooling = Literal["cls", "mean", "max"]
Head = Callable[[keras.KerasTensor], keras.KerasTensor]


@keras.saving.register_keras_serializable("sftkeras")
class TokenPooling(keras.layers.Layer):
    """Token vectors to one text vector, in float32, padding left out.

    Args:
        pooling: "cls" takes the first token, "mean" the average and "max" the largest of each feature.
    """

    def __init__(self, pooling: TextPooling, **kwargs: object) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.pooling = pooling

    def call(self, tokens: tf.Tensor, padding_mask: tf.Tensor) -> tf.Tensor:
        """Pools `tokens` [batch, length, hidden] under `padding_mask` [batch, length] to [batch, hidden]."""
        if self.pooling == "cls":
            return tokens[:, 0]
        mask = tf.cast(padding_mask, tokens.dtype)[:, :, tf.newaxis]
        if self.pooling == "max":
            return tf.reduce_max(tokens + (1 - mask) * tokens.dtype.min / 2, axis=1)
        return tf.reduce_sum(tokens * mask, axis=1) / tf.maximum(tf.reduce_sum(mask, axis=1), 1)

    def compute_output_shape(self, tokens_shape: tuple, padding_mask_shape: tuple) -> tuple:
        """[batch, hidden]."""
        return (tokens_shape[0], tokens_shape[2])

    def get_config(self) -> dict:
        """The pooling."""
        return {**super().get_config(), "pooling": self.pooling}


@keras.saving.register_keras_serializable("sftkeras")
class MarkerPooling(keras.layers.Layer):
    """The vectors of some tokens side by side, in float32: those that open a span, as in "entity start" pooling.

    From Baldini Soares et al., 2019, "Matching the Blanks" (arXiv:1906.03158). A token that a row has several times
    gives the mean of its vectors, one that it has not gives zeros.

    Args:
        numbers: of the tokens, in the order of their vectors.
    """

    def __init__(self, numbers: Sequence[int], **kwargs: object) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.numbers = tuple(numbers)

    def call(self, tokens: tf.Tensor, token_ids: tf.Tensor) -> tf.Tensor:
        """Pools `tokens` [batch, length, hidden] by `token_ids` [batch, length] to [batch, markers * hidden]."""
        is_marker = tf.cast(token_ids[:, tf.newaxis, :] == tf.constant(self.numbers)[:, tf.newaxis], tokens.dtype)
        found = tf.reduce_sum(is_marker, -1, keepdims=True)  # [batch, markers, 1]
        vectors = tf.matmul(is_marker, tokens) / tf.maximum(found, 1)
        return tf.reshape(vectors, [-1, len(self.numbers) * tokens.shape[-1]])

    def compute_output_shape(self, tokens_shape: tuple, token_ids_shape: tuple) -> tuple:
        """[batch, markers * hidden]."""
        return (tokens_shape[0], len(self.numbers) * tokens_shape[2])

    def get_config(self) -> dict:
        """The numbers."""
        return {**super().get_config(), "numbers": self.numbers}


def attach_head(backbone: Backbone, task: Task, pooling: Pooling) -> keras.Model:
    """Joins the encoder and the task's head.

    Returns:
        A functional model from the encoder's inputs to float32 logits, whose dropout is a function of the row.

    Raises:
        SFTError: as `Task.network`.
    """
    network = task.network(backbone, pooling)
    use_stream_dropout(network)
    return network


def attach_head_again(network: keras.Model, backbone: Backbone, task: Task, pooling: Pooling) -> keras.Model:
    """Return a network with the weights of another, whose backbone has other inputs to its layers by now.

    Args:
        network: whose backbone was without virtual tokens.
        backbone: the same with them.
        task: of the network.
        pooling: of the network.
    """
    inside = {id(variable) for variable in backbone.model.variables}
    again = attach_head(backbone, task, pooling)
    known = ([variable for variable in each.variables if id(variable) not in inside] for each in (network, again))
    for before, after in zip(*known, strict=True):
        after.assign(before)
    return again


def text_network(backbone: Backbone, pooling: Pooling, head: Head, name: str) -> keras.Model:
    """A network whose head takes one vector a text, [batch, hidden]."""
    return keras.Model(backbone.model.input, head(pool(backbone, pooling)), name=name)


def token_network(backbone: Backbone, head: Head, name: str) -> keras.Model:
    """A network whose head takes the vectors of the tokens, [batch, length, hidden]; raises as `token_vectors`."""
    return keras.Model(backbone.model.input, head(token_vectors(backbone, name)), name=name)


def token_vectors(backbone: Backbone, kind: str) -> keras.KerasTensor:
    """The encoder's token vectors, [batch, length, hidden], as a symbolic tensor.

    Args:
        kind: the task, for messages.

    Raises:
        SFTError: SFT610 if the encoder gives none, or the tokenizer does not give their offsets.
    """
    if not backbone.gives_token_vectors:
        raise SFTError("SFT610", kind=kind, reason="this encoder gives no vectors of tokens")
    if not backbone.knows_tokens:
        raise SFTError("SFT610", kind=kind, reason="its tokenizer does not give the offsets of tokens")
    return backbone.model.output["sequence_output"]


def pool(backbone: Backbone, pooling: Pooling) -> keras.KerasTensor:
    """The encoder's text vector, [batch, hidden], as a symbolic tensor.

    With "cls", it goes through the encoder's own pooler where its checkpoint has one, as BERT does. An encoder that
    gives no token vectors has pooled them already. With "markers", it is [batch, markers * hidden].

    Raises:
        SFTError: SFT384 if there are to be markers, but none among the tokens that were added.
    """
    encoder = backbone.model
    if (pooling == "cls" and backbone.has_pooler) or not backbone.gives_token_vectors:
        return encoder.output["pooled_output"]
    tokens = encoder.output["sequence_output"]
    if pooling == "markers":
        return MarkerPooling(_opening(backbone), name="pooling")(tokens, encoder.input["token_ids"])
    return TokenPooling(pooling, name="pooling")(tokens, encoder.input["padding_mask"])


def _opening(backbone: Backbone) -> list[int]:
    """The numbers of the added tokens that open a span, in their order."""
    tokenizer = backbone.tokenizer
    numbers = tokenizer.numbers if isinstance(tokenizer, SpecialStrings) else {}
    opening = [numbers[token] for token in opening_markers(list(numbers))]
    if not opening:
        raise SFTError("SFT384")
    return opening


@dataclass(frozen=True)
class TextModel:
    """From raw texts to named predictions: the model that is trained, evaluated and exported.

    Attributes:
        features: texts to model inputs.
        network: model inputs to logits.
        task: logits to named predictions.
        backbone: what the network was made of, for a task that generates with it; None where nothing does.
    """

    features: Features
    network: keras.Model
    task: Task
    backbone: Backbone | None = None

    def __call__(self, texts: tf.Tensor, second_texts: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Predicts for `texts` [batch] string, and `second_texts` where the task is about pairs."""
        return self.predict_features(self.features(texts, second_texts))

    def predict_features(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Predicts from what `features` gives."""
        taken = {name: inputs[name] for name in self.network.input}
        return self.task.outputs(self.network(taken, training=False), inputs)
