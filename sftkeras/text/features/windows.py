"""Long texts to several overlapping rows of model inputs, and what is said of their tokens back to one row a text."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from sftkeras.text.features.packing import Layout, pack
from sftkeras.text.tokenizers.rows import numbers_of_sizes, ragged


@dataclass(frozen=True)
class Windows:
    """Texts as windows. Those of one text stand together, in order.

    Attributes:
        inputs: `{"token_ids", "segment_ids", "padding_mask"}`, each [windows, length] int32.
        starts: [windows, length] int32, the first character in its text of each token of the text, 0 for all others.
        ends: [windows, length] int32, the character after its last, likewise.
        text: [windows] int32, the number of the text that each window is of.
        token: [windows, length] int32, the number in its text of each token of the text, -1 for all others.
        owned: [windows, length] bool, where a window owns the token: each token of a text is owned by just one window,
            that in which it is farthest from the ends.
        sizes: [batch] int32, tokens of each text.
    """

    inputs: dict[str, tf.Tensor]
    starts: tf.Tensor
    ends: tf.Tensor
    text: tf.Tensor
    token: tf.Tensor
    owned: tf.Tensor
    sizes: tf.Tensor

    def merge(self, values: tf.Tensor) -> tf.RaggedTensor:
        """Takes for each token what the window says that owns it.

        Args:
            values: [windows, length, …].

        Returns:
            [batch, (tokens), …], the tokens of each text in order.
        """
        splits = tf.concat([[0], tf.cumsum(self.sizes)], 0)
        return ragged(tf.gather_nd(values, tf.where(self.owned)), splits)


def pack_windows(
    tokens: tf.RaggedTensor,
    starts: tf.RaggedTensor,
    ends: tf.RaggedTensor,
    *,
    layout: Layout,
    max_length: int,
    overlap: int,
    before: tf.RaggedTensor | None = None,
) -> Windows:
    """Divides texts that are too long for one row, so that nothing is cut off.

    Each window has as many tokens as fit, and all but `overlap` of them are new; a text's last window is filled from
    before. A text that fits has one window, and so has an empty one.

    Args:
        tokens: [batch, (tokens)] int32, as `Tokenizer.with_offsets` gives them.
        starts: [batch, (tokens)] int32, likewise.
        ends: [batch, (tokens)] int32, likewise.
        layout: the special tokens.
        max_length: tokens a row may have, specials included.
        overlap: tokens that a window shares with the next, at least.
        before: [batch, (tokens)] int32, a text such as a question that stands first in every window of its row. It is
            cut where it takes more than half of the room.

    Raises:
        ValueError: the overlap leaves no room for new tokens.
    """
    budget = max_length - layout.specials(1 if before is None else 2)
    least_room = budget if before is None else budget - budget // 2
    if not 0 <= overlap < least_room:
        raise ValueError(f"windows of {max_length} tokens cannot overlap by {overlap}: there is room for {least_room}")
    before_sizes = tf.zeros_like(_sizes(tokens)) if before is None else tf.minimum(_sizes(before), budget // 2)
    sizes, room = _sizes(tokens), budget - before_sizes  # [batch]
    step = room - overlap
    counts = 1 + tf.maximum(0, -(-(sizes - room) // step))
    text = numbers_of_sizes(counts, tf.reduce_sum(counts))  # [windows]
    number = tf.range(tf.size(text)) - tf.gather(tf.cumsum(counts, exclusive=True), text)
    sizes_here, room, step, before_sizes = (tf.gather(values, text) for values in (sizes, room, step, before_sizes))
    most = tf.maximum(sizes_here - room, 0)  # where the last window begins
    begins = tf.minimum(number * step, most)
    here = _slices(tokens, text, begins, tf.minimum(room, sizes_here))
    if before is None:
        inputs, _ = pack(here, None, layout=layout, max_length=max_length)
        first = tf.ones_like(text)
    else:
        repeated = _slices(before, text, tf.zeros_like(text), before_sizes)
        inputs, _ = pack(repeated, here, layout=layout, max_length=max_length)
        first = 1 + before_sizes + layout.ends_between
    places = tf.range(tf.shape(inputs["token_ids"])[1])[tf.newaxis] - first[:, tf.newaxis]  # [windows, length]
    is_token = (places >= 0) & (places < _sizes(here)[:, tf.newaxis])
    token = tf.where(is_token, begins[:, tf.newaxis] + places, -1)
    # Between two windows that overlap, the middle of what they share.
    after = tf.minimum(begins + step, most)
    until = tf.where(begins == most, sizes_here, (after + begins + room) // 2)
    from_ = tf.where(number == 0, 0, tf.roll(until, 1, 0))
    owned = is_token & (token >= from_[:, tf.newaxis]) & (token < until[:, tf.newaxis])
    starts, ends = (tf.where(is_token, _at(values, text, token), 0) for values in (starts, ends))
    return Windows(inputs, starts, ends, text, token, owned, sizes)


def _sizes(tokens: tf.RaggedTensor) -> tf.Tensor:
    return tf.cast(tokens.row_lengths(), tf.int32)


def _slices(tokens: tf.RaggedTensor, rows: tf.Tensor, begins: tf.Tensor, sizes: tf.Tensor) -> tf.RaggedTensor:
    """So many tokens of each of these rows, from there on."""
    first = tf.gather(tf.cast(tokens.row_starts(), tf.int32), rows) + begins
    places = tf.ragged.range(first, first + sizes)
    return places.with_values(tf.gather(tokens.flat_values, places.values))


def _at(values: tf.RaggedTensor, rows: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Values at `places` [rows, length] of these rows; anything where there is no such place."""
    where = tf.gather(tf.cast(values.row_starts(), tf.int32), rows)[:, tf.newaxis] + places
    known = tf.concat([values.flat_values, [0]], 0)  # never empty
    return tf.gather(known, tf.clip_by_value(where, 0, tf.size(known) - 1))
