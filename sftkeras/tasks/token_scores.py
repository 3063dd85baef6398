"""Losses of texts by a language model in memory, as it is now: of rows, and of a plain text, window by window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from sftkeras.evaluation.statistics.token_losses import TokenLosses
from sftkeras.tasks.learned_places import LABELS, LOSSES, PREDICTED
from sftkeras.tasks.network import TextModel
from sftkeras.tasks.next_tokens import LEARNED, TOKENS
from sftkeras.text.marks import ordinary


class MarkedFeatures(Protocol):
    """What scoring asks of a decoder's features; see `ConversationFeatures`."""

    max_length: int
    windows: bool
    marked: Callable[[tf.Tensor], tuple[tf.RaggedTensor, tf.RaggedTensor]]
    encode_arrays: Callable[..., Any]
    tokenizer: Any


class TokenScorer:
    """Computes losses of learned tokens.

    Args:
        model: its task is a `NextTokens`, its features are those of a decoder.
        batch_size: rows in one batch.
    """

    def __init__(self, model: TextModel, batch_size: int) -> None:
        self._features: MarkedFeatures = model.features  # type: ignore[assignment]
        self._task, self._batch_size = model.task, batch_size
        self._network = partial(model.network, training=False)
        tokens = tf.TensorSpec([None, None], tf.int32)
        signature = [{name: tokens for name in model.network.input if name != LABELS}, tokens]
        self._score = tf.function(self._losses, input_signature=signature, autograph=False)

    def of_rows(self, texts: Sequence[str], progress: Callable[[int], object] = lambda rows: None) -> TokenLosses:
        """Compute the losses of rows.

        Args:
            texts: of the rows.
            progress: is given the number of rows of each batch that is done.
        """
        facts = np.zeros((len(texts), 3))
        order = np.argsort([len(text) for text in texts], kind="stable")  # texts of like length need little padding
        for first in range(0, len(texts), self._batch_size):
            rows = order[first : first + self._batch_size]
            arrays, numbers = self._features.encode_arrays([texts[row] for row in rows])
            inputs = {name: padded(*array) for name, array in arrays.items()}
            lengths = arrays[TOKENS][1]
            mask = (np.arange(inputs[TOKENS].shape[1]) < lengths[:, np.newaxis]).astype(np.int32)
            found = self._of_inputs({**inputs, "padding_mask": mask})
            # Of a long text that is several rows of the model's, the number of its text is known.
            np.add.at(facts, rows[numbers] if self._features.windows else rows, found)
            progress(len(rows))
        return TokenLosses(*facts.T)

    def of_text(self, text: str) -> TokenLosses:
        """Compute the losses of a plain text, a window of as many tokens as a row may have after the other."""
        ids = self._features.marked(tf.constant([ordinary(text)]))[0].flat_values.numpy()
        begin = self._features.tokenizer.begin_id
        size = self._features.max_length - (begin is not None)
        windows = [ids[first : first + size] for first in range(0, len(ids), size)]
        if begin is not None:
            windows = [np.concatenate([[begin], window]) for window in windows]
        starts = range(0, len(windows), self._batch_size)
        facts = [self._of_windows(windows[first : first + self._batch_size]) for first in starts]
        return TokenLosses(*np.concatenate(facts).T)

    def _of_windows(self, windows: Sequence[np.ndarray]) -> np.ndarray:
        lengths = np.array([len(window) for window in windows])
        ones = padded(np.ones(lengths.sum(), np.int32), lengths)
        tokens = padded(np.concatenate(windows).astype(np.int32), lengths)
        return self._of_inputs({TOKENS: tokens, LEARNED: ones, "padding_mask": ones})

    def _of_inputs(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """The loss of each row, its learned tokens, and how many of them are the most probable: [rows, 3] float64."""
        taken, labels = self._task.targets(inputs, None, np.random.default_rng(0))
        losses, hits = self._score({name: taken[name].astype(np.int32) for name in taken}, labels)
        return np.stack([losses.numpy(), (labels >= 0).sum(1), hits.numpy()], axis=1)

    def _losses(self, inputs: dict[str, tf.Tensor], labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        results: Any = self._task.row_results(self._network, inputs, labels).predictions
        hits = (results[PREDICTED] == labels) & (labels >= 0)
        return tf.reduce_sum(results[LOSSES], -1), tf.reduce_sum(tf.cast(hits, tf.int32), -1)


def padded(values: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return rows that stand one after another, [values], as an array [rows, longest] with 0 behind short ones."""
    there = np.arange(lengths.max(initial=0)) < lengths[:, np.newaxis]
    array = np.zeros(there.shape, values.dtype)
    array[there] = values
    return array


def decoded(texts: Callable[[tf.RaggedTensor], tf.Tensor], rows: Sequence[np.ndarray]) -> list[str]:
    """Return the texts of rows of token ids; of a character that was not finished, U+FFFD.

    Args:
        texts: makes texts [rows] string of token ids [rows, (tokens)] int32.
        rows: token ids.
    """
    if not rows:
        return []
    tokens = tf.RaggedTensor.from_row_lengths(np.concatenate(rows), [len(row) for row in rows])
    return [text.decode("utf-8", "replace") for text in texts(tokens).numpy()]
