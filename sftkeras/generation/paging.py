"""Texts that are written side by side, each at its own token: one call reads some tokens of each and draws the next.

Keys and values stand in pages of a few tokens each, which rows hold in any order and may share (Kwon et al., 2023,
arXiv:2309.06180). A server keeps the tensor of pages where the graph runs and decides which row has which; see
`sftkeras.serving.generation`.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import tensorflow as tf

from sftkeras.generation.options import Options
from sftkeras.generation.sampling import next_tokens
from sftkeras.generation.writing import NO_TOKEN

_WORD_BITS = 32
PAGE_TOKENS = 16  # of a page: a few kilobytes of each head, so that gathering pages costs as much as reading them

_DRAWING = {
    "temperature": tf.float32,
    "top_k": tf.int32,
    "top_p": tf.float32,
    "min_p": tf.float32,
    "repetition_penalty": tf.float32,
    "seed": tf.int64,
}


class PagedDecoder(Protocol):
    """Interface of a decoder whose cache is paged; see `sftkeras.backbones.decoders.joined`."""

    def pages_shape(self, tokens: int) -> tuple[int | None, ...]:
        """Return the shape of pages of so many tokens, None where their number stands."""
        ...

    def read_pages(self, token_ids: tf.Tensor, positions: tf.Tensor, tables: tf.Tensor, pages: tf.Tensor) -> tf.Tensor:
        """Read tokens [batch, new] at positions of the same shape into pages, in place: vectors [batch, new, hidden].

        `tables` [batch, pages of a row] int32 are the pages of each row in order.
        """
        ...

    def logits(self, vectors: tf.Tensor) -> tf.Tensor:
        """Return the logits [..., vocabulary] float32 of the token after each vector."""
        ...


def paged_inputs(decoder: PagedDecoder) -> dict[str, tf.TensorSpec]:
    """Inputs of `read_pages`, by name."""
    rows = {
        "positions": tf.TensorSpec([None], tf.int32, "positions"),
        "numbers": tf.TensorSpec([None], tf.int32, "numbers"),
        **{name: tf.TensorSpec([None], dtype, name) for name, dtype in _DRAWING.items()},
    }
    matrices = {
        name: tf.TensorSpec([None, None], tf.int32, name) for name in ("token_ids", "tables", "history", "allowed")
    }
    pages = tf.TensorSpec(decoder.pages_shape(PAGE_TOKENS), tf.float32, "pages")
    return {**matrices, **rows, "top": tf.TensorSpec([], tf.int32, "top"), "pages": pages}


def read_pages(
    decoder: PagedDecoder,
    vocabulary: int,
    *,
    token_ids: tf.Tensor,
    positions: tf.Tensor,
    tables: tf.Tensor,
    numbers: tf.Tensor,
    history: tf.Tensor,
    allowed: tf.Tensor,
    top: tf.Tensor,
    pages: tf.Tensor,
    **drawing: tf.Tensor,
) -> dict[str, tf.Tensor]:
    """Reads tokens of each row into its pages, in place, and draws the next.

    Args:
        decoder: reads them.
        vocabulary: how many tokens there are.
        token_ids: [batch, new] int32, one at least a row, `NO_TOKEN` behind those of short rows.
        positions: tokens of each row that its pages hold already, [batch] int32.
        tables: the pages of each row in order, [batch, pages of a row] int32; any behind those it needs.
        numbers: how many tokens of each row were drawn already, [batch] int32.
        history: as `next_tokens` takes it; without columns where no row has a repetition penalty.
        allowed: tokens that may be drawn, a bit each from the lowest of the first word on, [batch, words] int32;
            without columns where all may.
        top: how many of the most probable tokens are told, a scalar int32.
        pages: keys and values, [layers, 2, heads, pages, PAGE_TOKENS, head size] float32.
        drawing: options by name, each [batch].

    Returns:
        `token_id` [batch] int32 and its `log_probability` [batch] float32, `top_ids` [batch, top] int32 and their
        `top_log_probabilities` [batch, top] float32. Of a row that has more tokens to be read they mean nothing.
    """
    not_empty = tf.debugging.assert_positive(tf.size(pages), "pages is empty.")  # nothing could be written in it
    with tf.control_dependencies([not_empty]):
        pages = tf.identity(pages)
    last = tf.reduce_sum(tf.cast(token_ids != NO_TOKEN, tf.int32), 1, keepdims=True) - 1
    columns = tf.minimum(tf.range(tf.shape(token_ids)[1]), last)  # a short row reads its last token again
    token_ids = tf.gather(token_ids, columns, batch_dims=1)
    vectors = decoder.read_pages(token_ids, positions[:, tf.newaxis] + columns, tables, pages)
    logits = decoder.logits(vectors[:, -1])[:, :vocabulary]
    options = Options(max_new_tokens=numbers, stop=tf.zeros([0, 0], tf.string), **drawing)
    token = next_tokens(_only(allowed, logits), history, options, numbers)
    total = tf.reduce_logsumexp(logits, 1)
    best, best_ids = tf.math.top_k(logits, tf.minimum(top, vocabulary))
    return {
        "token_id": token,
        "log_probability": tf.gather(logits, token, batch_dims=1) - total,
        "top_ids": best_ids,
        "top_log_probabilities": best - total[:, tf.newaxis],
    }


def _only(allowed: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return logits [batch, vocabulary] of the tokens that may be drawn, of the others -inf."""

    def held() -> tf.Tensor:
        bits = tf.bitwise.right_shift(allowed[:, :, tf.newaxis], tf.range(_WORD_BITS)) & 1  # [batch, words, bits]
        bits = tf.reshape(bits, [tf.shape(allowed)[0], -1])[:, : tf.shape(logits)[1]]
        return tf.where(bits > 0, logits, -np.inf)

    return tf.cond(tf.shape(allowed)[1] > 0, held, lambda: logits)
