"""The predictions of a language model in memory, as it is now: losses of rows or of a text, and what it writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, cast

import numpy as np
import tensorflow as tf

from sftkeras.evaluation.contract import Predictions
from sftkeras.evaluation.statistics.token_losses import LOSS_OUTPUTS
from sftkeras.generation import GenerationLimits, Generator
from sftkeras.tasks.network import TextModel
from sftkeras.tasks.retention import TEXT_OUTPUTS
from sftkeras.tasks.token_scores import TokenScorer, decoded


class WritingPredictor:
    """Predicts as `sftkeras.evaluation.contract.Predict` says; for which rows it writes, and after what, a task says.

    Args:
        model: with the backbone that its network was made of.
        batch_size: rows that are scored at once.
        texts: makes texts [rows] string of token ids [rows, (tokens)] int32.
        end_ids: tokens that end what is written.
        new_tokens: most tokens of it.
    """

    scoring: ClassVar[float] = 1.0
    """Share of the progress that scoring is."""

    def __init__(
        self,
        model: TextModel,
        batch_size: int,
        texts: Callable[[tf.RaggedTensor], tf.Tensor],
        end_ids: tuple[int, ...],
        new_tokens: int,
    ) -> None:
        assert model.backbone is not None
        self._scorer = TokenScorer(model, batch_size)
        self.features = cast("Any", model.features)
        self.positions = model.backbone.max_positions
        self._texts = texts
        limits = GenerationLimits(end_ids, new_tokens, self.positions)
        self._generator = Generator(model.backbone.model, limits, vocabulary=self.features.tokenizer.size)

    def __call__(
        self,
        texts: Sequence[str],
        pairs: Sequence[str] | None,
        outputs: Sequence[str],
        progress: Callable[[float], object],
    ) -> Predictions:
        """Predict the named outputs: of `TEXT_OUTPUTS`, for one plain text; or of `LOSS_OUTPUTS` and of `written`."""
        if set(outputs) <= set(TEXT_OUTPUTS):
            found = dict(zip(TEXT_OUTPUTS, self._scorer.of_text(texts[0]).facts.T, strict=True))
        else:
            losses = self._scorer.of_rows(texts, lambda rows: progress(self.scoring * rows))
            found = dict(zip(LOSS_OUTPUTS, losses.facts.T, strict=True)) | self.written(texts, progress)
        return {name: found[name] for name in outputs}

    def written(self, texts: Sequence[str], progress: Callable[[float], object]) -> Predictions:
        """What the model writes for some rows, as named outputs, one item a row.

        Args:
            texts: of all rows.
            progress: is given what is left of the progress.
        """
        raise NotImplementedError

    def write(
        self, prompts: Sequence[np.ndarray], progress: Callable[[int], object] = lambda prompts: None
    ) -> tuple[list[str], np.ndarray]:
        """Write a text after each prompt.

        Args:
            prompts: token ids.
            progress: is given the number of prompts of each batch that is done.

        Returns:
            The texts; and whether each ended by itself, [prompts] bool.
        """
        generated = self._generator(prompts, progress)
        return self.decoded(generated.token_ids), generated.ended

    def decoded(self, rows: Sequence[np.ndarray]) -> list[str]:
        """Return the texts of token ids."""
        return decoded(self._texts, rows)
