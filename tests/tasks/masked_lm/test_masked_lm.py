"""Masked LM: what is masked for training, by which shares, and a head that reads the vocabulary off the embedding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from windowed import FEATURES, SPECIALS  # sets TensorFlow's environment first

import keras  # isort: skip
import tensorflow as tf  # isort: skip

from sftkeras.errors import SFTError
from sftkeras.tasks.masked_lm.features import Mask
from sftkeras.tasks.masked_lm.task import MaskedLM, choose
from sftkeras.tasks.masked_lm.vocabulary_head import VocabularyHead
from sftkeras.text import WordPiece

ROWS, LENGTH, VOCABULARY, MASK = 64, 64, 1000, 4
TASK = MaskedLM(mask=Mask("[MASK]", MASK), vocabulary=VOCABULARY)


def batch(seed: int = 1, longest_word: int = 4) -> dict[str, np.ndarray]:
    """Rows of random words of one to four tokens, between two special tokens; some rows end early."""
    random = np.random.default_rng(seed)
    begins = random.random((ROWS, LENGTH)) < 2 / (1 + longest_word)
    begins[:, 1] = True
    words = np.cumsum(begins, axis=1)
    ends = random.integers(20, LENGTH, ROWS)
    words[:, 0] = 0
    words[np.arange(LENGTH) >= ends[:, np.newaxis]] = 0
    token_ids = random.integers(5, VOCABULARY, (ROWS, LENGTH))
    return {"token_ids": token_ids.astype(np.int32), "words": words.astype(np.int32)}


def test_whole_words_are_masked_until_the_share_is_reached() -> None:
    words = batch()["words"]
    chosen = choose(words, 0.15, np.random.default_rng(3))
    for row, masked in zip(words, chosen, strict=True):
        assert not masked[row == 0].any()
        inside = set(row[masked].tolist())
        assert not inside & set(row[~masked].tolist())  # no word is masked in part
        wanted = round(0.15 * (row > 0).sum())
        assert wanted <= masked.sum() < wanted + max(np.bincount(row)[1:])


def test_every_word_is_as_likely_to_be_masked() -> None:
    words = np.tile(np.arange(41, dtype=np.int32), (2000, 1))
    shares = choose(words, 0.2, np.random.default_rng(5)).mean(0)
    assert shares[0] == 0
    np.testing.assert_allclose(shares[1:], 0.2, atol=0.04)


def test_a_row_without_words_has_no_mask_and_a_short_one_has_one() -> None:
    words = np.array([[0, 0, 0], [0, 1, 0]], np.int32)
    assert choose(words, 0.15, np.random.default_rng(1)).tolist() == [[False] * 3, [False, True, False]]


def test_chosen_tokens_are_masked_replaced_or_kept_by_berts_shares() -> None:
    masked = replaced = kept = 0
    random = np.random.default_rng(7)
    for seed in range(10):
        given = batch(seed)
        inputs, labels = TASK.targets(given, None, random)
        assert set(inputs) == {"token_ids", "masked_positions"}
        there = labels >= 0
        seen = np.take_along_axis(inputs["token_ids"], inputs["masked_positions"], 1)[there]
        truth = np.take_along_axis(given["token_ids"], inputs["masked_positions"], 1)[there]
        np.testing.assert_array_equal(truth, labels[there])
        masked += (seen == MASK).sum()
        kept += (seen == truth).sum()
        replaced += ((seen != truth) & (seen != MASK)).sum()
        untouched = np.ones((ROWS, LENGTH), bool)
        np.put_along_axis(untouched, np.where(there, inputs["masked_positions"], 0), False, 1)
        np.testing.assert_array_equal(inputs["token_ids"][untouched], given["token_ids"][untouched])
    total = masked + replaced + kept
    np.testing.assert_allclose([masked / total, replaced / total, kept / total], [0.8, 0.1, 0.1], atol=0.015)


def test_the_draw_is_a_function_of_the_generator_and_the_batch_is_left_as_it_was() -> None:
    given = batch()
    before = {name: array.copy() for name, array in given.items()}
    first, second = (TASK.targets(given, None, np.random.default_rng(9)) for _ in range(2))
    np.testing.assert_array_equal(first[0]["token_ids"], second[0]["token_ids"])
    np.testing.assert_array_equal(first[1], second[1])
    other, _ = TASK.targets(given, None, np.random.default_rng(10))
    assert (other["token_ids"] != first[0]["token_ids"]).any()
    for name, array in before.items():
        np.testing.assert_array_equal(given[name], array)


def test_every_masked_token_of_a_batch_weighs_the_same() -> None:
    labels = np.array([[3, 7, 2], [5, -1, -1], [-1, -1, -1]], np.int32)
    logits = np.random.default_rng(2).normal(0, 1, (3, 3, 10)).astype(np.float32)
    losses = TASK.loss(tf.constant(labels), tf.constant(logits)).numpy()
    weights = TASK.example_weights(labels)
    assert weights.tolist() == [3, 1, 0]
    log_probabilities = tf.nn.log_softmax(logits).numpy()
    expected = [-log_probabilities[row, place, labels[row, place]] for row, place in np.argwhere(labels >= 0)]
    assert (losses * weights).sum() == pytest.approx(sum(expected), rel=1e-5)


def test_the_metric_counts_masked_tokens_alone() -> None:
    (metric,) = TASK.metrics()
    labels = tf.constant([[3, 7], [5, -1]])
    metric.update_state(TASK.truths(labels), tf.constant([[3, 0], [5, 9]]))
    metric.update_state(TASK.truths(tf.constant([[1]])), tf.constant([[2]]))
    assert (metric.name, float(metric.result())) == ("masked_accuracy", 0.5)


def outputs(task: MaskedLM, logits: np.ndarray, masked: list[list[int]], rows: list[int], texts: int) -> dict:
    features = {
        "masked_ids": tf.constant(masked, tf.int32),
        "text_number": tf.constant(rows, tf.int32),
        "texts": tf.constant([""] * texts),
        "pieces": tf.constant([f"t{number}" for number in range(task.vocabulary)]),
    }
    return {name: tensor.numpy() for name, tensor in task.outputs(tf.constant(logits), features).items()}


def test_answers_go_to_their_texts_with_the_likeliest_first() -> None:
    task = replace(TASK, vocabulary=10)
    logits = np.random.default_rng(4).normal(0, 2, (3, 2, 12)).astype(np.float32)  # two rows to spare
    found = outputs(task, logits, [[6, -1], [7, 8], [MASK, -1]], [0, 0, 2], 4)
    scores = tf.nn.log_softmax(logits).numpy()
    assert found["token"].shape == found["probability"].shape == (4, 3, 5)
    assert found["hidden"].tolist() == [[b"t6", b"t7", b"t8"], [b""] * 3, [b""] * 3, [b""] * 3]
    np.testing.assert_allclose(found["loss"][0], [-scores[0, 0, 6], -scores[1, 0, 7], -scores[1, 1, 8]], rtol=1e-5)
    best = np.argsort(-scores[2, 0, :10])[:5]
    assert found["token"][2, 0].tolist() == [f"t{number}".encode() for number in best]
    np.testing.assert_allclose(found["probability"][2, 0], np.exp(scores[2, 0, best]), rtol=1e-5)
    assert found["loss"][2].tolist() == [0, 0, 0]
    assert set(found["token"][3].ravel()) == {b""}


def test_no_masks_at_all_are_no_trouble() -> None:
    found = outputs(TASK, np.zeros((2, 1, VOCABULARY), np.float32), [[-1], [-1]], [0, 1], 2)
    assert found["token"].shape == (2, 0, 5)
    assert found["hidden"].shape == (2, 0)


def test_the_head_is_berts_over_the_token_embedding() -> None:
    keras.utils.set_random_seed(3)
    embedding = keras.layers.Embedding(11, 4)
    embedding.build(None)
    head = VocabularyHead(embedding, activation=keras.activations.relu, epsilon=1e-6)
    vectors = np.random.default_rng(1).normal(0, 1, (2, 5, 6)).astype(np.float32)
    positions = np.array([[4, 0, 1], [2, 2, 0]], np.int32)
    logits = head(vectors, positions).numpy()
    assert logits.shape == (2, 3, 11)
    head.bias.assign(np.arange(11.0))
    asked = np.take_along_axis(vectors, positions[..., np.newaxis], 1)
    hidden = np.maximum(asked @ head.dense.kernel.numpy() + head.dense.bias.numpy(), 0)
    normal = (hidden - hidden.mean(-1, keepdims=True)) / np.sqrt(hidden.var(-1, keepdims=True) + 1e-6)
    np.testing.assert_allclose(logits, normal @ embedding.embeddings.numpy().T, atol=1e-5)
    np.testing.assert_allclose(
        head(vectors, positions) - logits, np.broadcast_to(np.arange(11.0), logits.shape), atol=1e-5
    )
    assert head(vectors, positions[:, :0]).shape == (2, 0, 11)


def test_the_vocabulary_comes_from_the_tokenizer() -> None:
    task = MaskedLM(mask_share=0.2).for_tokenizer(FEATURES.tokenizer)
    assert task.mask == Mask("[MASK]", SPECIALS.index("[MASK]"))
    assert task.vocabulary == FEATURES.tokenizer.size
    with pytest.raises(SFTError, match="SFT299"):
        MaskedLM().for_tokenizer(WordPiece([*SPECIALS[:4], "a"], lowercase=True))
    with pytest.raises(SFTError, match="SFT610"):
        MaskedLM().for_tokenizer(None)
