"""Merges of byte pairs are those of one pair after the other, however long a word is and whatever order pairs have."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import tensorflow as tf

from sftkeras.text.tokenizers.merging import Merges

LETTERS = 4


def random_merges(random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Pairs, what they become, and the number of tokens; parts may be made later than what they are merged to."""
    texts = list("abcd"[:LETTERS])
    pairs: dict[tuple[int, int], int] = {}
    while len(pairs) < count:
        left, right = random.integers(len(texts), size=2).tolist()
        text = texts[left] + texts[right]
        if len(text) > 6 or (left, right) in pairs:
            continue
        if text not in texts:
            texts.append(text)
        pairs[left, right] = texts.index(text)
    order = random.permutation(count)
    return np.array([*pairs])[order], np.array([*pairs.values()])[order], len(texts)


def merged_one_by_one(tokens: list[int], pairs: np.ndarray, merged: np.ndarray) -> list[int]:
    """The most important pair, at its leftmost place; again and again."""
    ranks = {tuple(pair): rank for rank, pair in enumerate(pairs.tolist())}
    while True:
        found = [(ranks.get(pair, len(ranks)), at) for at, pair in enumerate(pairwise(tokens))]
        rank, at = min(found, default=(len(ranks), 0))
        if rank == len(ranks):
            return tokens
        tokens[at : at + 2] = [int(merged[rank])]


@pytest.mark.parametrize("seed", range(6))
def test_long_words_are_merged_as_one_pair_after_the_other(seed: int) -> None:
    random = np.random.default_rng(seed)
    pairs, becomes, size = random_merges(random, 12 * 2**seed)
    in_order = np.sort(becomes, kind="stable")  # of some, as training makes them: parts come first
    if seed % 2:
        order = np.argsort(becomes, kind="stable")
        pairs, becomes = pairs[order], in_order
    merges = Merges(pairs, becomes, size=size)
    words = [random.integers(LETTERS, size=length) for length in (700, 3, 0, 400, 1, 500)]
    words += [np.zeros(301, int), np.tile([0, 1], 150), np.repeat(random.integers(LETTERS, size=40), 9)]
    numbers = np.repeat(np.arange(len(words)), [len(word) for word in words])
    tokens, of_word = merges(tf.constant(np.concatenate(words), tf.int32), tf.constant(numbers, tf.int32))
    for number, word in enumerate(words):
        expected = merged_one_by_one(word.tolist(), pairs, becomes)
        assert tokens.numpy()[of_word.numpy() == number].tolist() == expected


@pytest.mark.parametrize("seed", [139, 193, 208])
def test_a_pair_whose_token_comes_before_it_waits_for_the_same_pair_before_it(seed: int) -> None:
    """Of many random vocabularies, those of which long words would have other tokens if it did not."""
    random = np.random.default_rng(seed)
    pairs, becomes, size = random_merges(random, int(random.integers(10, 400)))
    word = random.integers(LETTERS, size=400)
    merges = Merges(pairs, becomes, size=size)
    tokens, _ = merges(tf.constant(word, tf.int32), tf.zeros(len(word), tf.int32))
    assert tokens.numpy().tolist() == merged_one_by_one(word.tolist(), pairs, becomes)


def test_a_long_word_is_merged_at_many_places_at_once() -> None:
    random = np.random.default_rng(1)
    pairs = np.array([(left, right) for left in range(64) for right in range(64)])
    random.shuffle(pairs)
    merges = Merges(pairs, 64 + np.arange(len(pairs)), size=64 + len(pairs))
    tokens = tf.constant(random.integers(64, size=10_000), tf.int32)
    words = tf.zeros_like(tokens)
    place = merges._find(tokens, words, tf.range(tf.size(tokens)))
    chosen = merges._chosen(place, words, tf.constant(2), tf.constant(True))
    assert len(np.unique(place.numpy()[chosen.numpy()])) > 500  # pairs, of which rounds would merge one each
