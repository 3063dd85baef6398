"""Cross-entropy over a vocabulary whose logits are never all held: losses of tokens, predictions, exact gradients.

The logits [tokens, vocabulary] of a step would be its largest array by far. Here they are made for a part of the
vocabulary at a time: once for the losses and the gradient of the vectors, which is summed up with them (as attention is
in Dao et al., 2022, arXiv:2205.14135), and again for the gradient of the output kernel, which is made a part at a time
and never added up. Some parts' logits are kept in between, so memory does not grow with the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from sftkeras.tasks.sliced_gradients import UnmadeGradient, rows_of_slice

NO_LABEL = -1  # of a place that nothing is learned at

# Numbers in the logits that are kept: 64 MiB. 437 tokens of 38,000 are all kept.
MOST_LOGITS = 2**24
_KEPT_PARTS = 32  # so a part, 2 MiB of logits, is small beside what is kept, and so is its slice of the gradient


class TokenResults(NamedTuple):
    """A model's results for some tokens.

    Attributes:
        losses: [tokens] float32, the negative log-probability of each label, or the mean of those of several by their
            shares; 0 where there is none.
        predicted: [tokens] int32, the most probable tokens.
        first_losses: [tokens] float32, the negative log-probability of each token's first label, which has no gradient.
    """

    losses: tf.Tensor
    predicted: tf.Tensor
    first_losses: tf.Tensor


def token_results(
    vectors: tf.Tensor,
    kernel: tf.Tensor,
    labels: tf.Tensor,
    *,
    shares: tf.Tensor | None = None,
    soft_cap: float | None = None,
    learns: bool = True,
    kernel_learns: bool = True,
    postpone: Callable[[UnmadeGradient], bool] = lambda gradient: False,
    most_logits: int = MOST_LOGITS,
) -> TokenResults:
    """Return the losses of tokens, with respect to which vectors and kernel have gradients, and the predictions.

    The logits are `vectors @ kernel.T`, and with a soft cap `soft_cap * tanh(logits / soft_cap)` (Gemma 2, 2024,
    arXiv:2408.00118).

    Args:
        vectors: [tokens, hidden] float32.
        kernel: [vocabulary, hidden] float32, the output layer's, which may be the token embedding.
        labels: [tokens] int32, `NO_LABEL` for none; or, with shares, [tokens, labels], each token has all or none.
        shares: [tokens, labels] float32, the share of each label in a token's loss, which sum to one; None for one
            label a token.
        soft_cap: bounds the logits; None leaves them.
        learns: whether gradients are wanted; otherwise nothing is computed for them beforehand.
        kernel_learns: whether the kernel's gradient is wanted; otherwise it is neither computed nor given.
        postpone: given the way to make the kernel's gradient, says whether it will be made later, and used; otherwise
            it is made and given at once.
        most_logits: numbers in the logits that are kept for the gradient of the kernel.
    """
    parts = _Parts(tf.shape(vectors)[0], tf.shape(kernel)[0], most_logits, soft_cap)
    if shares is None:
        labels = labels[:, tf.newaxis]
        shares = tf.ones_like(labels, tf.float32)
    wanted = _Labels(labels, shares)
    has_label = tf.cast(labels[:, 0] >= 0, tf.float32)
    if not learns:
        return parts.forward(vectors, kernel, wanted, learns=False).results(has_label)
    if not kernel_learns:
        kernel = tf.stop_gradient(kernel)

    @tf.custom_gradient
    def results(vectors: tf.Tensor, kernel: tf.Tensor) -> tuple[TokenResults, Callable[..., tuple]]:
        found = parts.forward(vectors, kernel, wanted, learns=True)

        def gradient(of_losses: tf.Tensor, *_: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | None]:
            of_losses *= has_label

            of_vectors = found.slopes * of_losses[:, tf.newaxis]
            if not kernel_learns:
                return of_vectors, None
            unmade = parts.of_kernel(vectors, wanted, of_losses, found)
            return of_vectors, None if postpone(unmade) else unmade.whole(kernel)

        return found.results(has_label), gradient

    return TokenResults(*results(vectors, kernel))


class _Labels(NamedTuple):
    """Labels of some tokens.

    Attributes:
        tokens: [tokens, labels] int32; `NO_LABEL` for none.
        shares: [tokens, labels] float32, which sum to one.
    """

    tokens: tf.Tensor
    shares: tf.Tensor

    def summed_rows(self, table: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """Return for each token the sum of its labels' rows of a table by `weights` [tokens, labels], [tokens, width].

        One label is taken after the other, since the rows of all would be as many times the vectors.
        """

        def weighted(number: tf.Tensor | int) -> tf.Tensor:
            rows = tf.gather(table, tf.maximum(self.tokens[:, number], 0))
            return rows * weights[:, number, tf.newaxis]

        if self.tokens.shape[1] == 1:
            return weighted(0)
        _, summed = tf.while_loop(
            lambda number, _: number < tf.shape(self.tokens)[1],
            lambda number, summed: (number + 1, summed + weighted(number)),
            (tf.constant(1), weighted(0)),
            parallel_iterations=1,
        )
        return summed


class _Found(NamedTuple):
    """Results of a pass over the vocabulary.

    Attributes:
        log_sums: [tokens], the logarithm of each token's summed exponentials.
        losses: [tokens]; of a token without label, any.
        first_losses: [tokens], those of the first labels.
        predicted: [tokens] int32, the most probable tokens.
        slopes: [tokens, hidden], the gradient of each token's loss with respect to its vector; None if not wanted.
        kept: [tokens, numbers], the logits of the first parts.
    """

    log_sums: tf.Tensor
    losses: tf.Tensor
    first_losses: tf.Tensor
    predicted: tf.Tensor
    slopes: tf.Tensor | None
    kept: tf.Tensor

    def results(self, has_label: tf.Tensor) -> TokenResults:
        """Return what is asked for, given 1 for each token that has a label and 0 for the others, [tokens] float32."""
        return TokenResults(self.losses * has_label, self.predicted, self.first_losses * has_label)


class _Parts:
    """The parts of a vocabulary, and what is computed of them one after the other.

    Args:
        tokens: scalar int32.
        vocabulary: scalar int32.
        most_logits: numbers in the logits that are kept.
        soft_cap: bounds the logits.
    """

    def __init__(self, tokens: tf.Tensor, vocabulary: tf.Tensor, most_logits: int, soft_cap: float | None) -> None:
        self._tokens, self._vocabulary, self._soft_cap = tokens, vocabulary, soft_cap
        at_most = tf.maximum(most_logits // _KEPT_PARTS // tf.maximum(tokens, 1), 1)
        self._count = -(-vocabulary // at_most)
        self._size = -(-vocabulary // self._count)  # parts of like sizes
        self._kept = tf.minimum(self._count, _KEPT_PARTS)

    def forward(self, vectors: tf.Tensor, kernel: tf.Tensor, labels: _Labels, *, learns: bool) -> _Found:
        """Computes losses and predictions, and if something `learns` what its gradient begins with."""
        kept = self._logits(vectors, kernel[: self._kept * self._size])
        zeros = tf.zeros([self._tokens])

        def body(
            number: tf.Tensor,
            highest: tf.Tensor,
            sums: tf.Tensor,
            of_labels: tf.Tensor,
            best: tf.Tensor,
            *pulls: tf.Tensor,
        ) -> tuple[tf.Tensor, ...]:
            rows, first = rows_of_slice(kernel, number, self._size), number * self._size
            logits = self._logits_of(number, vectors, rows, first, kept)
            index, inside = self._places(labels.tokens, first, rows)
            of_labels = tf.where(inside, tf.gather(logits, index, batch_dims=1), of_labels)
            here = tf.argmax(logits, 1, output_type=tf.int32)
            high = tf.gather(logits, here, batch_dims=1)
            best = tf.where(high > highest, first + here, best)  # of equal ones the first, as `argmax` has it
            high = tf.maximum(highest, high)
            scale = tf.exp(highest - high)
            shares = tf.exp(logits - high[:, tf.newaxis])
            sums = sums * scale + tf.reduce_sum(shares, 1)
            pulls = tuple(
                pull * scale[:, tf.newaxis] + tf.matmul(self._uncapped(shares, logits), rows) for pull in pulls
            )
            return number + 1, high, sums, of_labels, best, *pulls

        lowest, none = tf.fill([self._tokens], -float("inf")), tf.zeros([self._tokens], tf.int32)
        pulls = (tf.zeros_like(vectors),) if learns else ()
        zeros_of_labels = tf.zeros_like(labels.shares)
        one, two = tf.TensorShape([None]), tf.TensorShape([None, None])
        shapes = (tf.TensorShape([]), one, one, two, one, *(pull.shape for pull in pulls))
        _, highest, sums, of_labels, predicted, *pulls = tf.while_loop(
            lambda number, *_: number < self._count,
            body,
            (tf.constant(0), lowest, zeros, zeros_of_labels, none, *pulls),
            shape_invariants=shapes,
            parallel_iterations=1,
        )
        slopes = None
        if learns:
            # The mean of all rows by their probabilities, less that of the labels' own by their shares.
            own = labels.summed_rows(kernel, self._uncapped(labels.shares, of_labels))
            slopes = pulls[0] / sums[:, tf.newaxis] - own
        log_sums = highest + tf.math.log(sums)
        losses = log_sums - tf.reduce_sum(labels.shares * of_labels, 1)
        return _Found(log_sums, losses, log_sums - of_labels[:, 0], predicted, slopes, kept)

    def of_kernel(self, vectors: tf.Tensor, labels: _Labels, of_losses: tf.Tensor, found: _Found) -> UnmadeGradient:
        """Return the gradient of the kernel, given that of the losses, [tokens]; a slice of it is a part's."""
        scaled = vectors * of_losses[:, tf.newaxis]

        def make(number: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
            first = number * self._size
            logits = self._logits_of(number, vectors, rows, first, found.kept)
            index, inside = self._places(labels.tokens, first, rows)
            of_logits = tf.exp(logits - found.log_sums[:, tf.newaxis])
            token = tf.broadcast_to(tf.range(self._tokens)[:, tf.newaxis], tf.shape(index))
            shares = labels.shares * tf.cast(inside, tf.float32)
            of_logits = tf.tensor_scatter_nd_sub(of_logits, tf.stack([token, index], 2), shares)
            return tf.matmul(self._uncapped(of_logits, logits), scaled, transpose_a=True)  # [part, hidden]

        return UnmadeGradient(self._count, self._size, make)

    def _logits(self, vectors: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        logits = tf.matmul(vectors, rows, transpose_b=True)
        return logits if self._soft_cap is None else self._soft_cap * tf.tanh(logits / self._soft_cap)

    def _logits_of(
        self, number: tf.Tensor, vectors: tf.Tensor, rows: tf.Tensor, first: tf.Tensor, kept: tf.Tensor
    ) -> tf.Tensor:
        """A part's logits: of the first parts those that are kept."""
        return tf.cond(
            number < self._kept,
            lambda: kept[:, first : first + tf.shape(rows)[0]],
            lambda: self._logits(vectors, rows),
        )

    def _uncapped(self, gradient: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """The gradient of logits before the soft cap, given that of those after it."""
        return gradient if self._soft_cap is None else gradient * (1 - tf.square(logits / self._soft_cap))

    def _places(self, labels: tf.Tensor, first: tf.Tensor, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The place of each label in a part, and whether it is in it; of others the place is any."""
        index = labels - first
        size = tf.shape(rows)[0]
        return tf.clip_by_value(index, 0, size - 1), (index >= 0) & (index < size) & (labels >= 0)
