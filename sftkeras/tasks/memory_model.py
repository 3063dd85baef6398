"""A language model in memory, as it is now; see `sftkeras.tasks.language_model`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from sftkeras.generation import GenerationLimits, Generator
from sftkeras.tasks.language_model import LanguageModel, Progress, TokenRows, padded, split
from sftkeras.tasks.learned_places import LABELS, LOSSES, PREDICTED
from sftkeras.tasks.network import TextModel
from sftkeras.tasks.next_tokens import LEARNED, TOKENS


class MarkedFeatures(Protocol):
    """Interface of a decoder's features; see `ConversationFeatures`."""

    max_length: int
    windows: bool
    marked: Callable[[tf.Tensor], tuple[tf.RaggedTensor, tf.RaggedTensor]]
    encode_arrays: Callable[..., Any]
    tokenizer: Any


class MemoryModel(LanguageModel):
    """A model whose task is a `NextTokens`.

    Args:
        model: with the backbone that its network was made of.
        texts: makes texts [rows] string of token ids [rows, (tokens)] int32.
        end_ids: tokens that end a text.
    """

    def __init__(
        self, model: TextModel, texts: Callable[[tf.RaggedTensor], tf.Tensor], end_ids: tuple[int, ...]
    ) -> None:
        assert model.backbone is not None
        self._features: MarkedFeatures = model.features  # type: ignore[assignment]
        self._task, self._decoder = model.task, model.backbone.model
        self._texts, self._end_ids = texts, end_ids
        self.max_length, self.positions = self._features.max_length, model.backbone.max_positions
        self.begin_id: int | None = self._features.tokenizer.begin_id
        self._network = partial(model.network, training=False)
        tokens = tf.TensorSpec([None, None], tf.int32)
        signature = [{name: tokens for name in model.network.input if name != LABELS}, tokens]
        self._score = tf.function(self._row_losses, input_signature=signature, autograph=False)
        self._generators: dict[int, Generator] = {}

    def rows(self, texts: Sequence[str]) -> TokenRows:
        """Tokens of texts, by the features."""
        arrays, numbers = self._features.encode_arrays(list(texts))
        token_ids, learned = (split(*arrays[name]) for name in (TOKENS, LEARNED))
        # Of a long text that is several rows of the model's, the number of its text is known.
        return TokenRows(token_ids, learned, numbers if self._features.windows else np.arange(len(texts)))

    def tokens(self, marked: Sequence[str]) -> list[np.ndarray]:
        """Tokens of marked texts, by the features."""
        tokens, _ = self._features.marked(tf.constant(list(marked), tf.string))
        return split(tokens.flat_values.numpy(), tokens.row_lengths().numpy())

    def losses(self, rows: TokenRows) -> np.ndarray:
        """By the network."""
        mask = padded([np.ones_like(row) for row in rows.token_ids])
        inputs = {TOKENS: padded(rows.token_ids), LEARNED: padded(rows.learned), "padding_mask": mask}
        taken, labels = self._task.targets(inputs, None, np.random.default_rng(0))
        losses, hits = self._score({name: taken[name].astype(np.int32) for name in taken}, labels)
        return np.stack([losses.numpy(), (labels >= 0).sum(1), hits.numpy()], axis=1)

    def write(
        self, prompts: Sequence[np.ndarray], new_tokens: int, progress: Progress = lambda prompts: None
    ) -> tuple[list[str], np.ndarray]:
        """By the decoder with a cache."""
        if new_tokens not in self._generators:
            limits = GenerationLimits(self._end_ids, new_tokens, self.positions)
            self._generators[new_tokens] = Generator(self._decoder, limits, vocabulary=self._features.tokenizer.size)
        generated = self._generators[new_tokens](prompts, progress)
        return self.decoded(generated.token_ids), generated.ended

    def decoded(self, rows: Sequence[np.ndarray]) -> list[str]:
        """By `texts`."""
        if not rows:
            return []
        tokens = tf.RaggedTensor.from_row_lengths(np.concatenate(rows), [len(row) for row in rows])
        return [text.decode("utf-8", "replace") for text in self._texts(tokens).numpy()]

    def _row_losses(self, inputs: dict[str, tf.Tensor], labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        results: Any = self._task.row_results(self._network, inputs, labels).predictions
        hits = (results[PREDICTED] == labels) & (labels >= 0)
        return tf.reduce_sum(results[LOSSES], -1), tf.reduce_sum(tf.cast(hits, tf.int32), -1)
