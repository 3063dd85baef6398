"""Options of a request for generated texts: how they are drawn and what ends them, a value a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf


class Options(NamedTuple):
    """Options with which the texts of a batch are written.

    Attributes:
        max_new_tokens: most tokens of each text, [batch] int32.
        temperature: logits are divided by it before a token is drawn, [batch] float32; 0 takes the most probable token.
        top_k: only so many most probable tokens are drawn, [batch] int32; 0 is all.
        top_p: only the most probable tokens that have this probability together are drawn, [batch] float32 (nucleus
            sampling, Holtzman et al., 2020, arXiv:1904.09751); 1 is all.
        min_p: only tokens that have at least this part of the largest probability are drawn, [batch] float32 (Nguyen et
            al., 2024, arXiv:2407.01082); 0 is all.
        repetition_penalty: logits of tokens that the prompt or the text has are divided by it where they are positive
            and multiplied where they are negative, [batch] float32 (Keskar et al., 2019, arXiv:1909.05858); 1 changes
            nothing.
        stop: strings before which a text ends, [batch, strings] string; "" is none.
        seed: of what is drawn, [batch] int64.
    """

    max_new_tokens: tf.Tensor
    temperature: tf.Tensor
    top_k: tf.Tensor
    top_p: tf.Tensor
    min_p: tf.Tensor
    repetition_penalty: tf.Tensor
    stop: tf.Tensor
    seed: tf.Tensor

    @classmethod
    def for_rows(cls, given: Mapping[str, tf.Tensor], batch: tf.Tensor) -> Options:
        """Return options of which each has a value for each row.

        Args:
            given: all of them by their names, each with a value for each row or one for all.
            batch: how many rows there are.
        """
        options = {name: tf.broadcast_to(given[name], [batch]) for name in cls._fields if name != "stop"}
        return cls(**options, stop=tf.broadcast_to(given["stop"], [batch, tf.shape(given["stop"])[1]]))


def option_specs() -> dict[str, tf.TensorSpec]:
    """Options as inputs of a signature."""
    dtypes = {"max_new_tokens": tf.int32, "top_k": tf.int32, "stop": tf.string, "seed": tf.int64}
    return {
        name: tf.TensorSpec([None, None] if name == "stop" else [None], dtypes.get(name, tf.float32), name)
        for name in Options._fields
    }


def option_defaults(max_new_tokens: int) -> dict[str, list]:
    """The options of a request that names none: greedy decoding, to the end or to so many tokens."""
    return {
        "max_new_tokens": [max_new_tokens],
        "temperature": [0.0],
        "top_k": [0],
        "top_p": [1.0],
        "min_p": [0.0],
        "repetition_penalty": [1.0],
        "stop": [[""]],
        "seed": [0],
    }
