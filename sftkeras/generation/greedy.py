"""Generates token ids from prompts: each next token is the most probable one (greedy decoding).

A plain `tf.while_loop` over a decoder's `start` and `step`. `_next_tokens` is the place where sampling would draw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from sftkeras.generation.writing import NO_TOKEN

# Of all rows of a batch: of SmolLM2-135M, which keeps 45 KiB of each, 360 MiB.
CACHED_TOKENS = 8192


class CachedDecoder(Protocol):
    """Interface of a decoder that generates; see `sftkeras.backbones.decoders`."""

    def start(
        self, token_ids: tf.Tensor, positions: tf.Tensor, segments: tf.Tensor, cache_length: tf.Tensor
    ) -> tuple[tf.Tensor, Any]:
        """Read prompts [batch, length] int32, padded at the right: vectors [batch, length, hidden], and a cache."""
        ...

    def step(self, token_ids: tf.Tensor, positions: tf.Tensor, cache: Any) -> tuple[tf.Tensor, Any]:
        """Read one more token of each row, [batch] int32: vectors [batch, hidden], and the cache."""
        ...

    def logits(self, vectors: tf.Tensor) -> tf.Tensor:
        """Return the logits [..., vocabulary] float32 of the token after each vector."""
        ...


@dataclass(frozen=True)
class GenerationLimits:
    """Conditions that end a generated text.

    Attributes:
        end_ids: tokens after which a text has ended by itself; they are not part of it.
        new_tokens: most tokens of a text.
        positions: most tokens that the decoder reads, prompt and text together; None for any number.
    """

    end_ids: tuple[int, ...]
    new_tokens: int
    positions: int | None = None


@dataclass(frozen=True, eq=False)
class Generated:
    """Texts generated after some prompts.

    Attributes:
        token_ids: the tokens of each text, without the one that ended it.
        ended: [prompts] bool, whether each ended by itself, not by a limit.
    """

    token_ids: list[np.ndarray]
    ended: np.ndarray


class Generator:
    """Generates texts, as token ids.

    Args:
        decoder: reads tokens and gives the logits of the next.
        limits: what ends a text.
        vocabulary: how many tokens there are; a checkpoint may have rows to spare, which are no tokens.
        batch_size: most prompts in one batch; fewer where their tokens would fill a larger cache than `CACHED_TOKENS`.
    """

    def __init__(
        self, decoder: CachedDecoder, limits: GenerationLimits, *, vocabulary: int, batch_size: int = 32
    ) -> None:
        self._decoder, self._limits = decoder, limits
        self._vocabulary, self._batch_size = vocabulary, batch_size
        tokens = tf.TensorSpec([None, None], tf.int32)
        self._run = tf.function(
            self._texts_after,
            input_signature=(tokens, tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.int32)),
            autograph=False,
        )

    def __call__(
        self, prompts: Sequence[np.ndarray], progress: Callable[[int], object] = lambda prompts: None
    ) -> Generated:
        """Generate a text after each prompt.

        Args:
            prompts: token ids of each, at least one. One that leaves no room for a new token gets an empty text.
            progress: is given the number of prompts of each batch that is done.
        """
        texts: list[np.ndarray] = [np.zeros(0, np.int32)] * len(prompts)
        ended = np.zeros(len(prompts), bool)
        # Of like lengths, so that little is padded; the longest first, so that memory is short at once or never.
        order = sorted(range(len(prompts)), key=lambda prompt: -len(prompts[prompt]))
        while order:
            places = len(prompts[order[0]]) + self._limits.new_tokens
            rows = min(self._batch_size, max(1, CACHED_TOKENS // places))
            batch, order = order[:rows], order[rows:]
            found, by_itself = self._batch([prompts[prompt] for prompt in batch])
            for row, prompt in enumerate(batch):
                texts[prompt], ended[prompt] = found[row], by_itself[row]
            progress(len(batch))
        return Generated(texts, ended)

    def _batch(self, prompts: Sequence[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
        """The tokens after prompts of one batch, and which texts ended by themselves."""
        lengths = np.array([len(prompt) for prompt in prompts], np.int32)
        padded = np.zeros((len(prompts), lengths.max()), np.int32)
        for row, prompt in enumerate(prompts):
            padded[row, : len(prompt)] = prompt
        token_ids, ended = self._run(padded, lengths, self._rooms(lengths))
        rows = token_ids.numpy()
        return [row[row != NO_TOKEN] for row in rows], ended.numpy()

    def _rooms(self, lengths: np.ndarray) -> np.ndarray:
        """The most tokens after prompts of these lengths, [batch] int32."""
        rooms = np.full_like(lengths, self._limits.new_tokens)
        if self._limits.positions is not None:
            rooms = np.clip(self._limits.positions - lengths, 0, rooms)
        return rooms

    def _texts_after(self, prompts: tf.Tensor, lengths: tf.Tensor, rooms: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Generate until every text of a batch has ended, by itself or by its limit.

        Args:
            prompts: [batch, length] int32, padded at the right.
            lengths: [batch] int32, the tokens of each prompt.
            rooms: [batch] int32, most new tokens of each.

        Returns:
            [batch, at most the largest room] int32, `NO_TOKEN` after a text's end; and [batch] bool, whether each ended
            by itself.
        """
        columns = tf.range(tf.shape(prompts)[1])[tf.newaxis]
        there = columns < lengths[:, tf.newaxis]
        vectors, cache = self._decoder.start(
            prompts,
            tf.where(there, columns, 0),
            tf.cast(there, tf.int32),
            tf.shape(prompts)[1] + tf.reduce_max(rooms),
        )
        token = self._next_tokens(tf.gather(vectors, lengths - 1, batch_dims=1))
        ended = self._ends(token) & (rooms > 0)
        texts = tf.TensorArray(tf.int32, size=0, dynamic_size=True, clear_after_read=False, element_shape=[None])
        texts = texts.write(0, tf.where(ended | (rooms < 1), NO_TOKEN, token))

        def going(number: tf.Tensor, token: tf.Tensor, ended: tf.Tensor, *_: Any) -> tf.Tensor:
            return ~tf.reduce_all(ended | (number >= rooms))

        def body(number: tf.Tensor, token: tf.Tensor, ended: tf.Tensor, texts: Any, cache: Any) -> tuple:
            full = number >= rooms
            last = tf.maximum(rooms - 1, 0)  # a row that is full reads there again and again, for nothing
            vectors, new = self._decoder.step(token, lengths - 1 + tf.minimum(number, last), cache)
            new = tf.nest.map_structure(lambda after, before: tf.ensure_shape(after, before.shape), new, cache)
            token = self._next_tokens(vectors)
            ended |= self._ends(token) & ~full
            return number + 1, token, ended, texts.write(number, tf.where(ended | full, NO_TOKEN, token)), new

        _, _, ended, texts, _ = tf.while_loop(
            going, body, (tf.constant(1), token, ended, texts, cache), parallel_iterations=1
        )
        return tf.transpose(texts.stack()), ended

    def _next_tokens(self, vectors: tf.Tensor) -> tf.Tensor:
        """The most probable token after each vector [batch, hidden], [batch] int32."""
        logits = self._decoder.logits(vectors)[:, : self._vocabulary]
        return tf.argmax(logits, -1, output_type=tf.int32)

    def _ends(self, token: tf.Tensor) -> tf.Tensor:
        """Whether each token ends its text, [batch] bool."""
        ends = tf.constant(self._limits.end_ids, tf.int32)
        return tf.reduce_any(token[:, tf.newaxis] == ends, axis=1)
