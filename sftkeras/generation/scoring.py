"""Log-probabilities of given texts, as ops: how probable a model finds each token of a text after its prompt."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from sftkeras.generation.writing import NO_TOKEN, ReadingDecoder, lengths_of

_AT_ONCE = 256  # tokens whose logits are held: of SmolLM2, 48 MiB


class Scored(NamedTuple):
    """Texts of a batch with their log-probabilities.

    Attributes:
        token_ids: tokens of each text, [batch, most] int32, `NO_TOKEN` behind.
        log_probabilities: of these tokens, [batch, most] float32, 0 behind.
        log_probability: of each text: their sum, [batch] float32.
        best_token_ids: the most probable token in the place of each, [batch, most] int32, `NO_TOKEN` behind.
        best_log_probabilities: of these, [batch, most] float32, 0 behind.
    """

    token_ids: tf.Tensor
    log_probabilities: tf.Tensor
    log_probability: tf.Tensor
    best_token_ids: tf.Tensor
    best_log_probabilities: tf.Tensor


def score(decoder: ReadingDecoder, tokens: tf.Tensor, scored: tf.Tensor, vocabulary: int) -> Scored:
    """Score some tokens of each row.

    Args:
        decoder: gives the logits.
        tokens: of prompts and texts, [batch, length] int32, one at least each, `NO_TOKEN` behind.
        scored: whether each is scored, bool of the same shape; the first of a row, which nothing predicts, is not.
        vocabulary: how many tokens there are.

    Raises:
        tf.errors.InvalidArgumentError: where it runs, if a row is longer than the decoder reads.
    """
    lengths, length = lengths_of(tokens)[:, tf.newaxis], tf.shape(tokens)[1]
    fits = tf.debugging.assert_less_equal(
        length, decoder.positions, f"A prompt with its text has more than the {decoder.positions} tokens of this model."
    )
    with tf.control_dependencies([fits]):
        columns = tf.minimum(tf.range(length), lengths - 1)
    ids = tf.gather(tokens, columns, batch_dims=1)
    wanted = scored & (tokens != NO_TOKEN)
    vectors, _ = decoder.read(ids, columns, decoder.empty_cache(tf.shape(tokens)[0], length))
    places = tf.where(wanted[:, 1:])  # [scored, 2]: a token is predicted at the place before its own
    truths = tf.gather_nd(ids[:, 1:], places)
    found, best, of_best = _log_probabilities(decoder, tf.gather_nd(vectors, places), truths, vocabulary)
    counts = tf.reduce_sum(tf.cast(wanted[:, 1:], tf.int64), 1)
    splits = tf.concat([[0], tf.cumsum(counts)], 0)

    def in_rows(values: tf.Tensor, fill: object) -> tf.Tensor:
        return tf.RaggedTensor.from_row_splits(values, splits, validate=False).to_tensor(fill)

    log_probabilities = in_rows(found, 0.0)
    return Scored(
        in_rows(truths, NO_TOKEN),
        log_probabilities,
        tf.reduce_sum(log_probabilities, 1),
        in_rows(best, NO_TOKEN),
        in_rows(of_best, 0.0),
    )


def _log_probabilities(
    decoder: ReadingDecoder, vectors: tf.Tensor, truths: tf.Tensor, vocabulary: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The log-probability of each token after its vector, the most probable token there, and its; a few at once."""

    def of_part(first: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        end = first + _AT_ONCE
        logits = decoder.logits(vectors[first:end])[:, :vocabulary]
        own = tf.gather(logits, truths[first:end], batch_dims=1)
        total = tf.reduce_logsumexp(logits, 1)
        missing = [[0, end - tf.minimum(end, tf.size(truths))]]  # parts have one size
        best = tf.argmax(logits, 1, output_type=tf.int32)
        return tf.pad(own - total, missing), tf.pad(best, missing), tf.pad(tf.reduce_max(logits, 1) - total, missing)

    numbers = tf.TensorSpec([_AT_ONCE], tf.float32)
    signature = (numbers, tf.TensorSpec([_AT_ONCE], tf.int32), numbers)
    parts = tf.range(0, tf.size(truths), _AT_ONCE)
    found = tf.map_fn(of_part, parts, fn_output_signature=signature, parallel_iterations=1)
    scores, best, of_best = (tf.reshape(one, [-1])[: tf.size(truths)] for one in found)
    return scores, best, of_best
