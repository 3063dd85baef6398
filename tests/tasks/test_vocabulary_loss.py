from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from sftkeras.tasks.vocabulary_loss import NO_LABEL, TokenResults, token_results

TOKENS, VOCABULARY, HIDDEN = 40, 203, 32
WHOLE, IN_PARTS = 2**24, TOKENS * 30  # logits at once: of all tokens of the vocabulary, or of 30 at most


def drawn(tokens: int = TOKENS) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Vectors, a kernel, labels of which some are missing, and the weights of the tokens' losses."""
    random = np.random.default_rng(0)
    labels = random.integers(VOCABULARY, size=tokens)
    labels[::5] = NO_LABEL
    return (
        tf.constant(random.normal(size=(tokens, HIDDEN)), tf.float32),
        tf.constant(random.normal(size=(VOCABULARY, HIDDEN)) * 0.3, tf.float32),
        tf.constant(labels, tf.int32),
        tf.constant(random.random(tokens), tf.float32),
    )


def shared(labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Each label and three tokens more, of which one may be the label again, and their shares."""
    random = np.random.default_rng(1)
    more = random.integers(VOCABULARY, size=(TOKENS, 3))
    more[::2, 1] = labels[::2]
    shares = random.random((TOKENS, 4))
    together = tf.concat([labels[:, tf.newaxis], tf.constant(more, tf.int32)], 1)
    return together, tf.constant(shares / shares.sum(1, keepdims=True), tf.float32)


def with_all_logits(
    vectors: tf.Tensor, kernel: tf.Tensor, labels: tf.Tensor, shares: tf.Tensor, soft_cap: float | None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Losses and logits as they are usually computed."""
    logits = tf.matmul(vectors, kernel, transpose_b=True)
    logits = logits if soft_cap is None else soft_cap * tf.tanh(logits / soft_cap)
    of_labels = tf.gather(tf.nn.log_softmax(logits), tf.maximum(labels, 0), batch_dims=1)
    losses = -tf.reduce_sum(tf.cast(shares, logits.dtype) * of_labels, 1)
    return losses * tf.cast(labels[:, 0] >= 0, logits.dtype), logits


@pytest.mark.parametrize("several", [False, True], ids=["one label", "several labels"])
@pytest.mark.parametrize("most_logits", [WHOLE, IN_PARTS])
@pytest.mark.parametrize("soft_cap", [None, 5.0])
def test_losses_predictions_and_gradients_are_those_of_all_logits(
    soft_cap: float | None, most_logits: int, several: bool
) -> None:
    vectors, kernel, labels, weights = drawn()
    first = labels[:, tf.newaxis]
    together, shares = shared(labels) if several else (first, tf.ones(first.shape))
    given: dict[str, Any] = {"shares": shares} if several else {}
    options: dict[str, Any] = {"soft_cap": soft_cap, "most_logits": most_logits}

    @tf.function(autograph=False)
    def in_parts() -> tuple[TokenResults, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            tape.watch([vectors, kernel])
            results = token_results(vectors, kernel, together if several else labels, **given, **options)
            total = tf.reduce_sum(results.losses * weights)
        return results, tape.gradient(total, [vectors, kernel])

    exact = [tf.cast(vectors, tf.float64), tf.cast(kernel, tf.float64)]
    with tf.GradientTape() as tape:
        tape.watch(exact)
        losses, logits = with_all_logits(*exact, together, shares, soft_cap)
        total = tf.reduce_sum(losses * tf.cast(weights, tf.float64))
    results, gradients = in_parts()
    assert relative(results.losses, losses) < 2e-7
    first_losses, _ = with_all_logits(*exact, first, tf.ones(first.shape), soft_cap)
    assert relative(results.first_losses, first_losses) < 2e-7
    np.testing.assert_array_equal(results.predicted, tf.argmax(logits, 1))
    for gradient, expected in zip(gradients, tape.gradient(total, exact), strict=True):
        assert relative(gradient, expected) < 5e-7
    alone = token_results(vectors, kernel, together if several else labels, learns=False, **given, **options)
    assert relative(alone.losses, losses) < 2e-7


def relative(value: tf.Tensor, expected: tf.Tensor) -> float:
    value, expected = np.asarray(value), np.asarray(expected)
    return float(np.linalg.norm(value - expected) / np.linalg.norm(expected))


def test_a_kernel_that_does_not_learn_gets_no_gradient_and_vectors_the_same() -> None:
    vectors, kernel, labels, weights = drawn()
    gradients = {}
    for learns in (True, False):
        with tf.GradientTape() as tape:
            tape.watch([vectors, kernel])
            results = token_results(vectors, kernel, labels, kernel_learns=learns, most_logits=IN_PARTS)
            total = tf.reduce_sum(results.losses * weights)
        gradients[learns] = tape.gradient(total, [vectors, kernel])
    assert gradients[False][1] is None
    np.testing.assert_array_equal(gradients[False][0], gradients[True][0])


def test_a_device_without_tokens_adds_nothing() -> None:
    _, kernel, _, _ = drawn()
    vectors, labels = tf.zeros([0, HIDDEN]), tf.zeros([0], tf.int32)
    with tf.GradientTape() as tape:
        tape.watch([vectors, kernel])
        results = token_results(vectors, kernel, labels)
        total = tf.reduce_sum(results.losses)
    of_vectors, of_kernel = tape.gradient(total, [vectors, kernel])
    assert results.predicted.shape == (0,)
    assert of_vectors.shape == (0, HIDDEN)
    np.testing.assert_array_equal(of_kernel, np.zeros((VOCABULARY, HIDDEN)))
