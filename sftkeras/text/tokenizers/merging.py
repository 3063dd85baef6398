"""Byte pair merges of many words at once, as TensorFlow ops.

No state is kept between calls. KerasHub's tokenizer remembers words in a table that grows as long as a server lives.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from sftkeras.text.tokenizers.characters import earlier, later
from sftkeras.text.tokenizers.rows import first_at_least, places_of

_NO_MERGE = np.iinfo(np.int32).max
_LONG = 4  # times as many tokens as any token is made of, from which on a word is long


class Merges:
    """Merges neighbouring tokens by a list of pairs, the earliest pair of the list first, the leftmost of equal ones.

    Args:
        pairs: [merges, 2] int, left and right token of each merge, most important first.
        merged: [merges] int, what each pair becomes.
        size: how many tokens there are.

    Raises:
        ValueError: a pair is in the list twice.
    """

    def __init__(self, pairs: np.ndarray, merged: np.ndarray, *, size: int) -> None:
        pairs, merged = np.asarray(pairs, np.int64).reshape(-1, 2), np.asarray(merged, np.int32).reshape(-1)
        keys = pairs[:, 0] * size + pairs[:, 1]
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        if (twice := np.flatnonzero(keys[1:] == keys[:-1])).size:
            first, second = order[twice[0]] + 1, order[twice[0] + 1] + 1
            raise ValueError(f"merges {first} and {second} are of the same pair")
        # One more than there are, so that the table is never empty; no pair has this key.
        self._keys = np.append(keys, np.iinfo(np.int64).max)
        self._ranks = np.append(order, _NO_MERGE).astype(np.int32)
        self._merged = np.append(merged[order], 0).astype(np.int32)
        self._is_one_by_one = np.append(_made_too_late(pairs, merged, size)[order], False)
        self._reaches = _reaches(pairs, merged, size)
        self._size = size

    def __call__(self, tokens: tf.Tensor, words: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Merges within each word until nothing can be merged.

        Args:
            tokens: [tokens] int32, word after word.
            words: [tokens] int32, the number of each token's word, ascending.

        Returns:
            The same two, with fewer tokens.
        """
        everywhere = tf.range(tf.size(tokens))
        place = self._find(tokens, words, everywhere)
        reach = tf.maximum(tf.reduce_max(tf.gather(self._reaches, tokens)), 1)
        is_long = tf.reduce_any(words[_LONG * reach :] == words[: -_LONG * reach])  # some word has so many tokens

        def merge(tokens: tf.Tensor, words: tf.Tensor, place: tf.Tensor) -> tuple[tf.Tensor, ...]:
            chosen = self._chosen(place, words, reach, is_long)
            tokens = tf.where(chosen, tf.gather(self._merged, place), tokens)
            kept = places_of(~later(chosen))  # the right token of a pair goes
            tokens, words, place, is_new = (tf.gather(it, kept) for it in (tokens, words, place, chosen))
            # The only new pairs are those of new tokens, with the token before and the one behind.
            changed = tf.cast(places_of(is_new | earlier(is_new)), tf.int32)
            found = self._find(tokens, words, changed)
            return tokens, words, tf.tensor_scatter_nd_update(place, changed[:, tf.newaxis], found)

        def can_merge(tokens: tf.Tensor, words: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
            return tf.reduce_any(place < len(self._keys) - 1)

        shapes = [tf.TensorShape([None])] * 3
        tokens, words, _ = tf.while_loop(can_merge, merge, [tokens, words, place], shape_invariants=shapes)
        return tokens, words

    def _find(self, tokens: tf.Tensor, words: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
        """Places in the table of some tokens, each with the next, [index] int32; its end if they cannot be merged."""
        end = len(self._keys) - 1
        behind = tf.minimum(index + 1, tf.size(tokens) - 1)
        keys = tf.cast(tf.gather(tokens, index), tf.int64) * self._size + tf.cast(tf.gather(tokens, behind), tf.int64)
        place = first_at_least(self._keys, keys, tf.int32)
        same_word = (tf.gather(words, index) == tf.gather(words, behind)) & (behind > index)
        return tf.where((tf.gather(self._keys, place) == keys) & same_word, place, end)

    def _chosen(self, place: tf.Tensor, words: tf.Tensor, reach: tf.Tensor, is_long: tf.Tensor) -> tf.Tensor:
        """Pairs that are merged now: all places of each word's first pair, but for those that overlap an earlier one.

        In a long word also those that come first among all pairs around them, see `_first_around`. Otherwise the work
        would grow with the square of its length: a new pair of the word would be merged in each round.

        Args:
            place: [tokens] int32, where the pair that begins at each token stands in the table.
            words: [tokens] int32.
            reach: scalar int32, tokens of a text that a token may be made of.
            is_long: scalar bool, whether there is a long word.

        Returns:
            [tokens] bool.
        """
        ranks = tf.gather(self._ranks, place)
        best = tf.gather(tf.math.segment_min(ranks, words), words)
        is_first = ranks == best
        around = tf.cond(is_long, lambda: self._first_around(ranks, place, reach), lambda: tf.zeros_like(is_first))
        chosen = (is_first | around) & (ranks != _NO_MERGE)
        # "aaaa" has the pair "aa" three times in a row, and is merged to "aa aa".
        index = tf.range(tf.size(ranks))
        begins = chosen & ~later(chosen)
        run = tf.maximum(tf.cumsum(tf.cast(begins, tf.int32)) - 1, 0)
        chosen &= (index - tf.gather(tf.gather(index, places_of(begins)), run)) % 2 == 0
        if not self._is_one_by_one.any():
            return chosen
        leftmost = tf.gather(tf.math.segment_min(tf.where(chosen & is_first, index, _NO_MERGE), words), words)
        return chosen & (around | (index == leftmost) | ~tf.gather(self._is_one_by_one, place))

    def _first_around(self, ranks: tf.Tensor, place: tf.Tensor, reach: tf.Tensor) -> tf.Tensor:
        """Pairs that come before all others within `reach` tokens, so that they are merged whatever comes first.

        Before such a pair is merged, only more important pairs are. To change one of its two tokens, some of these
        would have to become a token beside it that is more important to merge with: it would be made of fewer than
        `reach` tokens next to the pair, and so of a more important pair among these, of which there is none. Merging
        now changes nothing for other pairs either, since what it makes is part of less important pairs alone. Where it
        is part of more important ones, it must come first within twice as many tokens: then what is made of it is too
        far from all that comes before.

        Returns:
            [tokens] bool.
        """
        size = (2 if self._is_one_by_one.any() else 1) * reach
        padding = -tf.size(ranks) % size
        blocks = tf.reshape(tf.pad(ranks, [[0, padding]], constant_values=_NO_MERGE), [-1, size])
        first = _of_neighbours(tf.reduce_min(blocks, 1))[:, tf.newaxis]
        found = tf.reshape(blocks == first, [-1])[: tf.size(ranks)]
        # Of overlapping places of one pair the first alone: it decides which of the others are merged.
        found &= tf.concat([[True], ranks[1:] != ranks[:-1]], 0)
        if not self._is_one_by_one.any():
            return found
        index = tf.reshape(tf.range(tf.size(blocks)), tf.shape(blocks))
        leftmost = tf.reduce_min(tf.where(blocks == first, index, _NO_MERGE), 1, keepdims=True)
        is_before = tf.reduce_any(blocks[:-1] == first[1:], 1, keepdims=True)  # the same pair, in the block before
        is_leftmost = (index == leftmost) & ~tf.concat([[[False]], is_before], 0)
        is_leftmost = tf.reshape(is_leftmost, [-1])[: tf.size(ranks)]
        return found & (is_leftmost | ~tf.gather(self._is_one_by_one, place))


def _of_neighbours(lowest: tf.Tensor) -> tf.Tensor:
    """The lowest of each block and of those beside it, [blocks]."""
    before, behind = tf.concat([lowest[:1], lowest[:-1]], 0), tf.concat([lowest[1:], lowest[-1:]], 0)
    return tf.minimum(lowest, tf.minimum(before, behind))


def _reaches(pairs: np.ndarray, merged: np.ndarray, size: int) -> np.ndarray:
    """Of how many of a text's tokens that longest token is made which each token may become a part of, [size] int32."""
    sizes = np.ones(size, np.int32)
    while not np.array_equal(sizes[merged], longer := np.maximum(sizes[merged], sizes[pairs].sum(1))):
        np.maximum.at(sizes, merged, longer)
    reaches = sizes.copy()
    while True:
        before = reaches.copy()
        for parts in pairs.T:
            np.maximum.at(reaches, parts, reaches[merged])
        if np.array_equal(reaches, before):
            return reaches


def _made_too_late(pairs: np.ndarray, merged: np.ndarray, size: int) -> np.ndarray:
    """Whether what each merge makes is part of a more important one, [merges] bool.

    That one comes before other places of the merge then.
    """
    ranks = np.arange(len(pairs))
    first_use = np.full(size, len(pairs))
    for parts in pairs.T:
        np.minimum.at(first_use, parts, ranks)
    return first_use[merged] < ranks
