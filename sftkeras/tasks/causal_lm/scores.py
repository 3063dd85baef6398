"""Evaluated texts: how well a language model predicts their tokens, and how it continues some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sftkeras.errors import SFTError
from sftkeras.evaluation.evaluated import EvaluatedRows, check_finite
from sftkeras.evaluation.statistics.metrics import Scores, Tally, scores_of
from sftkeras.evaluation.statistics.token_losses import TokenLosses, perplexity_of, token_figures
from sftkeras.tasks.retention import retained_losses


@dataclass(frozen=True, eq=False)
class EvaluatedTexts(EvaluatedRows):
    """Losses of a model's predictions for the tokens of some texts.

    Args:
        texts: the text of each row.
        pairs: None.
        places: file name and 1-based line of each row.
        losses: of each row's tokens.
        beginnings: the part of each text that the model read before it continued it; "" of texts that it did not.
        continuations: what it wrote then.
        retained: losses of a text that shows what the model has lost, window by window; None without one.

    Raises:
        SFTError: SFT602 for no rows, SFT603 for losses that are not finite, SFT622 if no text has a token to predict.
    """

    losses: TokenLosses
    beginnings: Sequence[str]
    continuations: Sequence[str]
    retained: TokenLosses | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_finite(self.losses.losses, self.places)
        if not self.losses.tokens.any():
            raise SFTError("SFT622", rows=len(self.texts))

    @cached_property
    def predicted_rows(self) -> np.ndarray:
        """The rows that were continued, ascending."""
        return np.flatnonzero([beginning != "" for beginning in self.beginnings])

    @cached_property
    def perplexities(self) -> np.ndarray:
        """Perplexity of each text, [rows]; not a number for a text without a token to predict."""
        return token_figures(self.losses.facts)["perplexity"]

    def in_words(self, row: int) -> tuple[str, str]:
        """Return the text and its beginning as the model continued it."""
        return self.texts[row], self.beginnings[row] + self.continuations[row]


def read_texts(rows: dict[str, Any], predictions: dict[str, np.ndarray]) -> EvaluatedTexts:
    """Read the predictions of a model.

    Args:
        rows: texts and places.
        predictions: `loss`, `tokens`, `hits`, `beginning` and `continuation`, each [rows]; `text_loss`, `text_tokens`
            and `text_hits` [windows], where the model has read a text beside the rows.
    """
    return EvaluatedTexts(
        rows["texts"],
        None,
        rows["places"],
        TokenLosses.of(predictions),
        predictions["beginning"].tolist(),
        predictions["continuation"].tolist(),
        retained_losses(predictions),
    )


def texts_tally(evaluated: EvaluatedTexts) -> Tally:
    """The additive facts of each text, and the figures of their sums."""
    from scipy.sparse import csr_array

    return Tally(csr_array(evaluated.losses.facts), token_figures)


def score_texts(evaluated: EvaluatedTexts) -> Scores:
    """Computes every figure of texts."""
    metrics = scores_of(texts_tally(evaluated))
    if evaluated.retained is not None:
        metrics["retention_perplexity"] = perplexity_of(evaluated.retained)
    return Scores(metrics)
