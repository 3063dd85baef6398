"""The predictions of a language model in memory, as it is now: losses of texts, and continuations of a few."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from sftkeras.evaluation.contract import Predictions
from sftkeras.evaluation.evaluated import evenly_spread
from sftkeras.tasks.network import TextModel
from sftkeras.tasks.next_token_evaluation import SAMPLES
from sftkeras.tasks.next_tokens import TOKENS
from sftkeras.tasks.writing import WritingPredictor

_BEGINNING = 32  # tokens of a text that are read before it is continued, at most; of a short one, half
_NEW_TOKENS = 48


class TextsPredictor(WritingPredictor):
    """Predicts as `sftkeras.evaluation.contract.Predict` says, for rows that are plain texts.

    Args:
        model: with the backbone that its network was made of.
        batch_size: rows that are scored at once.
        texts: makes texts [rows] string of token ids [rows, (tokens)] int32.
        end_ids: tokens that end a text.
    """

    def __init__(
        self,
        model: TextModel,
        batch_size: int,
        texts: Callable[[tf.RaggedTensor], tf.Tensor],
        end_ids: tuple[int, ...],
    ) -> None:
        super().__init__(model, batch_size, texts, end_ids, _NEW_TOKENS)

    def written(self, texts: Sequence[str], progress: Callable[[float], object]) -> Predictions:
        """`beginning` and `continuation` of some texts, [rows] str; "" of the others."""
        rows = evenly_spread(np.arange(len(texts)), SAMPLES)
        prompts = [self._beginning(texts[row]) for row in rows]
        beginning, continuation = np.full((2, len(texts)), "", object)
        beginning[rows], continuation[rows] = self.decoded(prompts), self.write(prompts)[0]
        return {"beginning": beginning, "continuation": continuation}

    def _beginning(self, text: str) -> np.ndarray:
        tokens = self.features.encode_arrays([text])[0][TOKENS][0]
        return tokens[: max(1, min(_BEGINNING, len(tokens) // 2))]
