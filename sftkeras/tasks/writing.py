"""The predictions of a language model: losses of rows or of a text, and what it writes. Imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from sftkeras.evaluation.contract import Predictions
from sftkeras.evaluation.statistics.token_losses import LOSS_OUTPUTS
from sftkeras.tasks.language_model import LanguageModel, TokenScorer
from sftkeras.tasks.retention import TEXT_OUTPUTS


class WritingPredictor:
    """Predicts as `sftkeras.evaluation.contract.Predict` says; for which rows it writes, and after what, a task says.

    Args:
        model: in memory or exported.
        batch_size: rows that are scored at once.
    """

    scoring: ClassVar[float] = 1.0
    """Share of the progress that scoring is."""

    def __init__(self, model: LanguageModel, batch_size: int) -> None:
        self.model = model
        self._scorer = TokenScorer(model, batch_size)

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
        """Writes texts for some rows: named outputs, one item a row.

        Args:
            texts: of all rows.
            progress: is given what is left of the progress.
        """
        raise NotImplementedError
