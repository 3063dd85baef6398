"""The predictions of a language model in memory, as it is now: losses of texts, and continuations of a few."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import tensorflow as tf

from sftkeras.evaluation.contract import Predictions
from sftkeras.generation import GenerationLimits, Generator
from sftkeras.tasks.causal_lm.mistakes import SAMPLES
from sftkeras.tasks.network import TextModel
from sftkeras.tasks.next_tokens import TOKENS
from sftkeras.tasks.retention import TEXT_OUTPUTS
from sftkeras.tasks.token_scores import TokenScorer, decoded

_BEGINNING = 32  # tokens of a text that are read before it is continued, at most; of a short one, half
_NEW_TOKENS = 48


class TextsPredictor:
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
        assert model.backbone is not None
        self._scorer = TokenScorer(model, batch_size)
        self._features = cast("Any", model.features)
        self._texts = texts
        limits = GenerationLimits(end_ids, _NEW_TOKENS, model.backbone.max_positions)
        self._generator = Generator(model.backbone.model, limits, vocabulary=self._features.tokenizer.size)

    def __call__(
        self,
        texts: Sequence[str],
        pairs: Sequence[str] | None,
        outputs: Sequence[str],
        progress: Callable[[float], object],
    ) -> Predictions:
        """Predict the named outputs: of `TEXT_OUTPUTS`, for one plain text; or of `TextsEvaluation.outputs`."""
        if set(outputs) <= set(TEXT_OUTPUTS):
            found = dict(zip(TEXT_OUTPUTS, self._scorer.of_text(texts[0]).facts.T, strict=True))
        else:
            losses = self._scorer.of_rows(texts, progress)
            found = dict(zip(("loss", "tokens", "hits"), losses.facts.T, strict=True)) | self._continued(texts)
        return {name: found[name] for name in outputs}

    def _continued(self, texts: Sequence[str]) -> Predictions:
        """`beginning` and `continuation` of some texts, [rows] str; "" of the others."""
        rows = np.unique(np.linspace(0, len(texts) - 1, min(SAMPLES, len(texts)), dtype=int))
        prompts = [self._beginning(texts[row]) for row in rows]
        generated = self._generator(prompts).token_ids
        beginning, continuation = np.full((2, len(texts)), "", object)
        beginning[rows], continuation[rows] = decoded(self._texts, prompts), decoded(self._texts, generated)
        return {"beginning": beginning, "continuation": continuation}

    def _beginning(self, text: str) -> np.ndarray:
        tokens = self._features.encode_arrays([text])[0][TOKENS][0]
        return tokens[: max(1, min(_BEGINNING, len(tokens) // 2))]
