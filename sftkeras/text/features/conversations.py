"""Features of conversations, and of plain texts, for decoders: marked text to tokens, and which of them are learned."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from sftkeras.text.features.features import TokenFeatures
from sftkeras.text.tokenizers.marked import MarkedTokenizer
from sftkeras.text.tokenizers.tokenizer import Tokenizer

Render = Callable[[list[str]], list[str]]
"""Turns the texts of rows into marked texts; see `sftkeras.text.marks`."""


def marked_tokens(tokenizer: Tokenizer, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """Tokenises marked texts once; who does so again and again keeps a `MarkedTokenizer`.

    Args:
        tokenizer: of a decoder.
        texts: [batch] string.

    Returns:
        The tokens, [batch, (tokens)] int32; and 1 for those that are learned, 0 for others, of the same shape.
    """
    return MarkedTokenizer(tokenizer)(texts)


class ConversationFeatures(TokenFeatures[Tokenizer]):
    """Renders and tokenises conversations. What is longer than a row may be is cut at its end.

    Args:
        tokenizer: of a decoder.
        max_length: tokens a row may have.
        render: makes marked texts of the rows' texts. Conversations of which whole turns are to go are shortened there.
        rules: names everything that decides what `render` gives, for the fingerprint.
    """

    def __init__(self, tokenizer: Tokenizer, *, max_length: int, render: Render, rules: str) -> None:
        super().__init__(tokenizer, max_length=max_length)
        self.marked = MarkedTokenizer(tokenizer)
        self._render = render
        self._rules = rules

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides the features of a text."""
        rules = f"conversations {self.tokenizer.fingerprint} {self._rules} {self.max_length}"
        return hashlib.sha256(rules.encode()).hexdigest()

    def __call__(self, texts: tf.Tensor, second_texts: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Give a decoder's inputs for marked texts [batch] string.

        Returns:
            token_ids, positions, and segments (1 where a token is), each [batch, length] int32, padded at the end.
        """
        tokens, _ = self.marked(texts)
        tokens = tokens[:, : self.max_length]
        segments = tf.ones_like(tokens).to_tensor()
        positions = tf.range(tf.shape(segments)[1])[tf.newaxis, :] * segments
        return {"token_ids": tokens.to_tensor(self.tokenizer.pad_id), "positions": positions, "segments": segments}

    def tokens(self, texts: list[str]) -> tf.RaggedTensor:
        """Return all tokens of conversations, special ones included, [batch, (tokens)] int32."""
        return self.marked(tf.constant(self._render(texts), tf.string))[0]

    def encode_arrays(
        self, texts: list[str], second_texts: list[str] | None = None
    ) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], np.ndarray]:
        """Give the tokens of rows for a cache on disk, and which are learned: token_ids and learned, without padding.

        Returns:
            Each feature as all rows' values and the rows' lengths, int32; and each row's length before truncation.
        """
        tokens, learned = self.marked(tf.constant(self._render(texts), tf.string))
        untruncated = tokens.row_lengths().numpy().astype(np.int32)
        tokens, learned = (it[:, : self.max_length] for it in (tokens, learned))
        lengths = np.minimum(untruncated, self.max_length)
        arrays = {"token_ids": tokens.flat_values.numpy(), "learned": learned.flat_values.numpy()}
        return {name: (values, lengths) for name, values in arrays.items()}, untruncated
