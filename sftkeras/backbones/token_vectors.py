"""Token vectors of an encoder, changed and watched while a network runs: for objectives that look for the worst change.

A change is added to the vectors as they come out of the embedding, so the table itself is never written to.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf


@dataclass(frozen=True)
class TokenVectors:
    """The token vectors of a network that runs.

    Attributes:
        tape: watches them.
        change: added to them, [rows, length, size] float32; None adds nothing.
        found: the vectors, once the network has run: each [rows, length, size].
    """

    tape: tf.GradientTape
    change: tf.Tensor | None
    found: list[tf.Tensor] = field(default_factory=list)


_open: ContextVar[TokenVectors | None] = ContextVar("token_vectors", default=None)


@contextmanager
def token_vectors(tape: tf.GradientTape, change: tf.Tensor | None = None) -> Iterator[TokenVectors]:
    """Changes and watches the token vectors of what runs inside the block; see `give_token_vectors`."""
    opened = TokenVectors(tape, change)
    token = _open.set(opened)
    try:
        yield opened
    finally:
        _open.reset(token)


def give_token_vectors(embedding: keras.layers.Layer) -> None:
    """Has an embedding, in place, give its vectors to the block of `token_vectors` that is open when it is called."""
    plain_call = embedding.call

    @functools.wraps(plain_call)
    def call(*args: Any, **kwargs: Any) -> tf.Tensor:
        vectors, opened = plain_call(*args, **kwargs), _open.get()
        if opened is None:
            return vectors
        if opened.change is not None:
            vectors += tf.cast(opened.change, vectors.dtype)
        opened.tape.watch(vectors)
        opened.found.append(vectors)
        return vectors

    embedding.call = call
