"""Byte pair merges of many words at once, as TensorFlow ops.

No state is kept between calls. KerasHub's tokenizer remembers words in a table that grows as long as a server lives.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

_NO_MERGE = np.iinfo(np.int32).max


class Merges:
    """Merges neighbouring tokens by a list of pairs, the earliest pair of the list first.

    Args:
        pairs: left and right token of each merge, most important first.
        merged: what each pair becomes.
        size: how many tokens there are.

    Raises:
        ValueError: a merge needs a token that only a later one makes, so that which comes first is not decided by the
            list alone.
    """

    def __init__(self, pairs: Sequence[tuple[int, int]], merged: Sequence[int], *, size: int) -> None:
        _check_order(pairs, merged)
        keys = np.array([left * size + right for left, right in pairs], np.int64).reshape(-1)
        order = np.argsort(keys)
        # One more than there are, so that the table is never empty; no pair has this key.
        self._keys = np.append(keys[order], np.iinfo(np.int64).max)
        self._ranks = np.append(order, _NO_MERGE).astype(np.int32)
        self._merged = np.append(np.array(merged, np.int32)[order], 0).astype(np.int32)
        self._size = size

    def __call__(self, tokens: tf.Tensor, words: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Merges within each word until nothing can be merged.

        Args:
            tokens: [tokens] int32, word after word.
            words: [tokens] int32, the number of each token's word, ascending.

        Returns:
            The same two, with fewer tokens.
        """
        place = self._find(tokens, words)

        def merge(tokens: tf.Tensor, words: tf.Tensor, place: tf.Tensor) -> tuple[tf.Tensor, ...]:
            chosen = _first_of_each_word(tf.gather(self._ranks, place), words)
            tokens = tf.where(chosen, tf.gather(self._merged, place), tokens)
            kept = tf.logical_not(_shifted(chosen))  # the right token of a pair goes
            tokens, words = tf.boolean_mask(tokens, kept), tf.boolean_mask(words, kept)
            return tokens, words, self._find(tokens, words)

        def can_merge(tokens: tf.Tensor, words: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
            return tf.reduce_any(place < len(self._keys) - 1)

        shapes = [tf.TensorShape([None])] * 3
        tokens, words, _ = tf.while_loop(can_merge, merge, [tokens, words, place], shape_invariants=shapes)
        return tokens, words

    def _find(self, tokens: tf.Tensor, words: tf.Tensor) -> tf.Tensor:
        """Where in the table each token and the next stand, [tokens] int32; its end if they cannot be merged."""
        end = len(self._keys) - 1
        keys = tf.cast(tokens[:-1], tf.int64) * self._size + tf.cast(tokens[1:], tf.int64)
        place = tf.searchsorted(self._keys, keys)
        found = (tf.gather(self._keys, place) == keys) & (words[:-1] == words[1:])
        return tf.concat([tf.where(found, place, end), tf.fill([tf.minimum(tf.size(tokens), 1)], end)], 0)


def _first_of_each_word(ranks: tf.Tensor, words: tf.Tensor) -> tf.Tensor:
    """Which pairs are merged now: all places of each word's first pair, but for those that overlap an earlier one.

    Args:
        ranks: [tokens] int32, of the pair that begins at each token.
        words: [tokens] int32.

    Returns:
        [tokens] bool.
    """
    best = tf.gather(tf.math.segment_min(ranks, words), words)
    chosen = (ranks == best) & (ranks != _NO_MERGE)
    # "aaaa" has the pair "aa" three times in a row, and is merged to "aa aa".
    index = tf.range(tf.size(ranks))
    begins = chosen & tf.logical_not(_shifted(chosen))
    run = tf.maximum(tf.cumsum(tf.cast(begins, tf.int32)) - 1, 0)
    return chosen & ((index - tf.gather(tf.boolean_mask(index, begins), run)) % 2 == 0)


def _shifted(flags: tf.Tensor) -> tf.Tensor:
    """Each flag one place later, False first."""
    return tf.concat([[False], flags[:-1]], 0)[: tf.size(flags)]


def _check_order(pairs: Sequence[tuple[int, int]], merged: Sequence[int]) -> None:
    made: dict[int, int] = {}
    for rank, result in enumerate(merged):
        if made.setdefault(result, rank) != rank:
            raise ValueError(f"merges {made[result] + 1} and {rank + 1} make the same token")
    for rank, pair in enumerate(pairs):
        if late := [token for token in pair if made.get(token, -1) >= rank]:
            raise ValueError(f"merge {rank + 1} needs the token of merge {made[late[0]] + 1}")
