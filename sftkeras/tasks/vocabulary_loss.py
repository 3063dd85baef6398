"""Cross-entropy over a vocabulary whose logits are never all held: losses of tokens, predictions, exact gradients.

The logits [tokens, vocabulary] of a step would be its largest array by far. Here they are made for a part of the
vocabulary at a time, twice: once for the losses, once for the gradient, whose formula is written out. So memory does
not grow with the vocabulary, and the gradient of the output kernel is written a part at a time and never added up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

NO_LABEL = -1  # of a place that nothing is learned at

# Numbers in a part's logits: 128 MiB, of which two or three copies live at once. 437 tokens of 76,000 are one part.
MOST_LOGITS = 2**25


class TokenResults(NamedTuple):
    """What a model makes of some tokens.

    Attributes:
        losses: [tokens] float32, the negative log-probability of each label; 0 where there is none.
        predicted: [tokens] int32, the most probable tokens.
    """

    losses: tf.Tensor
    predicted: tf.Tensor


def token_results(
    vectors: tf.Tensor,
    kernel: tf.Tensor,
    labels: tf.Tensor,
    *,
    soft_cap: float | None = None,
    kernel_learns: bool = True,
    most_logits: int = MOST_LOGITS,
) -> TokenResults:
    """Return the losses of tokens, with respect to which vectors and kernel have gradients, and the predictions.

    The logits are `vectors @ kernel.T`, and with a soft cap `soft_cap * tanh(logits / soft_cap)` (Gemma 2, 2024,
    arXiv:2408.00118).

    Args:
        vectors: [tokens, hidden] float32.
        kernel: [vocabulary, hidden] float32, the output layer's, which may be the token embedding.
        labels: [tokens] int32; `NO_LABEL` for none.
        soft_cap: bounds the logits; None leaves them.
        kernel_learns: whether the kernel's gradient is wanted; otherwise it is neither computed nor given.
        most_logits: numbers in the logits of a part of the vocabulary.
    """
    parts = _Parts(tf.shape(vectors)[0], tf.shape(kernel)[0], most_logits, soft_cap)
    if not kernel_learns:
        kernel = tf.stop_gradient(kernel)

    @tf.custom_gradient
    def results(vectors: tf.Tensor, kernel: tf.Tensor) -> tuple[tuple[tf.Tensor, tf.Tensor], Callable[..., tuple]]:
        log_sums, of_labels, predicted, last = parts.forward(vectors, kernel, labels)
        has_label = tf.cast(labels >= 0, tf.float32)

        def gradient(of_losses: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | None]:
            return parts.backward(vectors, kernel, labels, log_sums, of_losses * has_label, last, kernel_learns)

        return ((log_sums - of_labels) * has_label, predicted), gradient

    return TokenResults(*results(vectors, kernel))


class _Parts:
    """The parts of a vocabulary, and what is computed of them one after the other.

    Args:
        tokens: scalar int32.
        vocabulary: scalar int32.
        most_logits: numbers in a part's logits.
        soft_cap: bounds the logits.
    """

    def __init__(self, tokens: tf.Tensor, vocabulary: tf.Tensor, most_logits: int, soft_cap: float | None) -> None:
        self._tokens, self._vocabulary, self._soft_cap = tokens, vocabulary, soft_cap
        at_most = tf.maximum(most_logits // tf.maximum(tokens, 1), 1)
        self._count = -(-vocabulary // at_most)
        self._size = -(-vocabulary // self._count)  # parts of like sizes

    def forward(
        self, vectors: tf.Tensor, kernel: tf.Tensor, labels: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return the logarithm of each token's summed exponentials, its label's logit and its most probable token.

        Beside these [tokens], the logits of the last part, which the gradient begins with: it need not compute them
        again, and if there is one part, none.
        """

        def body(
            number: tf.Tensor, highest: tf.Tensor, sums: tf.Tensor, of_labels: tf.Tensor, best: tf.Tensor, _: tf.Tensor
        ) -> tuple[tf.Tensor, ...]:
            rows, first = self._rows(kernel, number)
            logits = self._logits(vectors, rows)
            index, inside = self._places(labels, first, rows)
            of_labels = tf.where(inside, tf.gather(logits, index, batch_dims=1), of_labels)
            here = tf.argmax(logits, 1, output_type=tf.int32)
            high = tf.gather(logits, here, batch_dims=1)
            best = tf.where(high > highest, first + here, best)  # of equal ones the first, as `argmax` has it
            high = tf.maximum(highest, high)
            sums = sums * tf.exp(highest - high) + tf.reduce_sum(tf.exp(logits - high[:, tf.newaxis]), 1)
            return number + 1, high, sums, of_labels, best, logits

        zeros = tf.zeros([self._tokens])
        lowest, none = tf.fill([self._tokens], -float("inf")), tf.zeros([self._tokens], tf.int32)
        shapes = (tf.TensorShape([]), *[tf.TensorShape([None])] * 4, tf.TensorShape([None, None]))
        _, highest, sums, of_labels, predicted, last = tf.while_loop(
            lambda number, *_: number < self._count,
            body,
            (tf.constant(0), lowest, zeros, zeros, none, tf.zeros([self._tokens, 0])),
            shape_invariants=shapes,
            parallel_iterations=1,
        )
        return highest + tf.math.log(sums), of_labels, predicted, last

    def backward(
        self,
        vectors: tf.Tensor,
        kernel: tf.Tensor,
        labels: tf.Tensor,
        log_sums: tf.Tensor,
        of_losses: tf.Tensor,
        last: tf.Tensor,
        kernel_learns: bool,
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Return the gradients of vectors and kernel, given that of the losses, [tokens]."""
        scaled = vectors * of_losses[:, tf.newaxis]

        def add_part(
            number: tf.Tensor, logits: tf.Tensor, of_vectors: tf.Tensor, of_kernel: tuple[tf.Tensor, ...]
        ) -> tuple[tf.Tensor, tuple[tf.Tensor, ...]]:
            rows, first = self._rows(kernel, number)
            index, inside = self._places(labels, first, rows)
            of_logits = tf.exp(logits - log_sums[:, tf.newaxis])
            at = tf.stack([tf.range(self._tokens), index], 1)
            of_logits = tf.tensor_scatter_nd_sub(of_logits, at, tf.cast(inside, tf.float32))
            if self._soft_cap is not None:
                of_logits *= 1 - tf.square(logits / self._soft_cap)
            if kernel_learns:
                part = tf.matmul(of_logits, scaled, transpose_a=True)  # [part, hidden]
                numbers = first + tf.range(tf.shape(rows)[0])
                of_kernel = (tf.raw_ops.InplaceUpdate(x=of_kernel[0], i=numbers, v=part),)
            return of_vectors + tf.matmul(of_logits, rows), of_kernel

        def body(number: tf.Tensor, of_vectors: tf.Tensor, *of_kernel: tf.Tensor) -> tuple:
            rows, _ = self._rows(kernel, number)
            of_vectors, of_kernel = add_part(number, self._logits(vectors, rows), of_vectors, of_kernel)
            return number + 1, of_vectors, *of_kernel

        # Written in place, since any other operation copies the whole in every part. Unlike zeros, what `Empty` makes
        # is never taken for another equal tensor.
        room = tf.raw_ops.Empty(shape=tf.shape(kernel), dtype=kernel.dtype, init=True) if kernel_learns else None
        start = () if room is None else (room,)
        of_vectors, start = add_part(self._count - 1, last, tf.zeros_like(vectors), start)
        _, of_vectors, *of_kernel = tf.while_loop(
            lambda number, *_: number < self._count - 1,
            body,
            (tf.constant(0), of_vectors, *start),
            parallel_iterations=1,
        )
        return of_vectors * of_losses[:, tf.newaxis], of_kernel[0] if kernel_learns else None

    def _rows(self, kernel: tf.Tensor, number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """A part's rows of the kernel, and the number of the first."""
        first = number * self._size
        return kernel[first : tf.minimum(first + self._size, self._vocabulary)], first

    def _logits(self, vectors: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        logits = tf.matmul(vectors, rows, transpose_b=True)
        return logits if self._soft_cap is None else self._soft_cap * tf.tanh(logits / self._soft_cap)

    def _places(self, labels: tf.Tensor, first: tf.Tensor, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The place of each label in a part, and whether it is in it; of others the place is any."""
        index = labels - first
        size = tf.shape(rows)[0]
        return tf.clip_by_value(index, 0, size - 1), (index >= 0) & (index < size) & (labels >= 0)
