"""Token numbers to model inputs: special tokens, truncation and padding."""

from __future__ import annotations

import tensorflow as tf


def pack(
    first: tf.RaggedTensor,
    second: tf.RaggedTensor | None,
    *,
    start: int,
    end: int,
    max_length: int,
) -> tuple[dict[str, tf.RaggedTensor], tf.Tensor]:
    """Joins one text, or two, with special tokens: `[CLS] first [SEP]` or `[CLS] first [SEP] second [SEP]`.

    A pair that is too long loses tokens from the end of its longer text first, so neither text vanishes.

    Args:
        first: [batch, (tokens)] int32.
        second: the same for the second texts, or None.
        start: number of the token before the first text.
        end: number of the token after each text.
        max_length: tokens a row may have, specials included.

    Returns:
        `{"token_ids", "segment_ids"}`, each [batch, (length)] int32, and [batch] int32: the length before truncation.
    """
    texts = [first] if second is None else [first, second]
    lengths = [tf.cast(text.row_lengths(), tf.int32) for text in texts]
    untruncated = tf.add_n(lengths) + 1 + len(texts)
    budget = max_length - 1 - len(texts)
    if second is None:
        texts = [_cut(first, tf.minimum(lengths[0], budget))]
    else:
        keep = tf.minimum(lengths[1], tf.maximum(budget - lengths[0], budget // 2))
        texts = [_cut(first, tf.minimum(lengths[0], budget - keep)), _cut(second, keep)]
    column = tf.ones_like(lengths[0])[:, tf.newaxis]  # [batch, 1]
    tokens, segments = [column * start], [column * 0]
    for number, text in enumerate(texts):
        tokens += [text, column * end]
        segments += [tf.ones_like(text) * number, column * number]
    packed = {"token_ids": tf.concat(tokens, 1), "segment_ids": tf.concat(segments, 1)}
    return packed, untruncated


def pad(packed: dict[str, tf.RaggedTensor]) -> dict[str, tf.Tensor]:
    """Pads rows to the batch's longest and adds the padding mask.

    Returns:
        `packed` as [batch, length] int32 with 0 as padding, and "padding_mask", 1 where a token is.
    """
    row_lengths = packed["token_ids"].row_lengths()
    padded = {name: ragged.to_tensor() for name, ragged in packed.items()}
    length = tf.shape(padded["token_ids"])[1]
    padded["padding_mask"] = tf.sequence_mask(row_lengths, length, dtype=tf.int32)
    return padded


def _cut(text: tf.RaggedTensor, keep: tf.Tensor) -> tf.RaggedTensor:
    """Keeps the first `keep` [batch] tokens of each row."""
    inside = tf.ragged.range(text.row_lengths()) < tf.cast(keep, tf.int64)[:, tf.newaxis]
    return tf.ragged.boolean_mask(text, inside)
