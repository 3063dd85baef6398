"""Token numbers to model inputs: special tokens, truncation and padding."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class Layout:
    """Special tokens around the texts of a row.

    BERT has `[CLS] first [SEP] second [SEP]`; RoBERTa `<s> first </s></s> second </s>`, and no segments.

    Attributes:
        start: number of the token before the first text.
        end: number of the token after each text.
        pad: number of the token that fills a row.
        ends_between: how often `end` stands between two texts.
        segments: whether a second text and the `end` after it are of segment 1, or of segment 0 like all others.
    """

    start: int
    end: int
    pad: int = 0
    ends_between: int = 1
    segments: bool = True

    def specials(self, texts: int) -> int:
        """Number of special tokens of a row of one text, or of two."""
        return 1 + texts + (self.ends_between - 1) * (texts - 1)


def pack(
    first: tf.RaggedTensor, second: tf.RaggedTensor | None, *, layout: Layout, max_length: int
) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """Joins one text, or two, with special tokens.

    A pair that is too long loses tokens from the end of its longer text first, so neither text vanishes. Rows are
    padded to the batch's longest. Plain tensors throughout: ragged ones take ten times the operations.

    Args:
        first: [batch, (tokens)] int32.
        second: the same for the second texts, or None.
        layout: the special tokens.
        max_length: tokens a row may have, specials included.

    Returns:
        `{"token_ids", "segment_ids", "padding_mask"}`, each [batch, length] int32, the mask 1 where a token is; and
        [batch] int32: the length before truncation.
    """
    texts = [first] if second is None else [first, second]
    sizes = [tf.cast(text.row_lengths(), tf.int32) for text in texts]
    specials = layout.specials(len(texts))
    kept = _cut(sizes, max_length - specials)
    totals = tf.add_n(kept) + specials  # [batch]
    longest = tf.reduce_max(tf.concat([totals, [0]], 0))  # an empty batch has no totals
    place = tf.range(longest)[tf.newaxis, :]  # [1, length]
    token_ids = tf.where(place == 0, layout.start, layout.pad)
    segment_ids = tf.zeros_like(place)
    begin = tf.ones_like(totals)[:, tf.newaxis]  # [batch, 1]: where the next text begins
    for number, (text, size) in enumerate(zip(texts, kept, strict=True)):
        stop = begin + size[:, tf.newaxis]  # the place of the token that ends it
        after = stop + (1 if number == len(texts) - 1 else layout.ends_between)
        token_ids = tf.where((place >= begin) & (place < stop), _tokens_at(text, place - begin), token_ids)
        token_ids = tf.where((place >= stop) & (place < after), layout.end, token_ids)
        segment = number if layout.segments else 0
        segment_ids = tf.where((place >= begin) & (place < after), segment, segment_ids)
        begin = after
    mask = tf.cast(place < totals[:, tf.newaxis], tf.int32)
    inputs = {"token_ids": token_ids, "segment_ids": segment_ids, "padding_mask": mask}
    return inputs, tf.add_n(sizes) + specials


def _cut(sizes: list[tf.Tensor], budget: int) -> list[tf.Tensor]:
    """Number of tokens that each text keeps, [batch] each, so that together they fit `budget`."""
    if len(sizes) == 1:
        return [tf.minimum(sizes[0], budget)]
    first, second = sizes
    second = tf.minimum(second, tf.maximum(budget - first, budget // 2))
    return [tf.minimum(first, budget - second), second]


def _tokens_at(text: tf.RaggedTensor, place: tf.Tensor) -> tf.Tensor:
    """The token of each row at `place` [batch, length] of its text; anything where the text has no such place."""
    values = tf.concat([text.flat_values, [0]], 0)  # never empty
    where = tf.cast(text.row_starts(), tf.int32)[:, tf.newaxis] + place
    return tf.gather(values, tf.clip_by_value(where, 0, tf.size(values) - 1))
