"""Perplexity and token accuracy of a language model, as functions of sums over rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sftkeras.evaluation.statistics.metrics import Metric

PERPLEXITY = Metric(
    "Perplexity", "exponential of the mean loss a token: 10 is as uncertain as a choice among 10 tokens", False, False
)
TOKEN_ACCURACY = Metric("Token accuracy", "share of tokens that are the most probable one after those before them")

LOSS_OUTPUTS = ("loss", "tokens", "hits")
"""Outputs of a model for each row: the columns of `TokenLosses`."""


@dataclass(frozen=True, eq=False)
class TokenLosses:
    """Losses of the tokens of some rows.

    Attributes:
        losses: [rows] float64, the negative log-probabilities of each row's tokens, added up.
        tokens: [rows] float64, how many these are.
        hits: [rows] float64, how many of them were the most probable ones.
    """

    losses: np.ndarray
    tokens: np.ndarray
    hits: np.ndarray

    @classmethod
    def of(cls, predictions: Mapping[str, np.ndarray], outputs: Sequence[str] = LOSS_OUTPUTS) -> TokenLosses:
        """Return the losses among the predictions of a model, each [rows], by the names of the outputs."""
        return cls(*(predictions[name].astype(np.float64) for name in outputs))

    @property
    def facts(self) -> np.ndarray:
        """Sums over rows are made of these, [rows, 3] float64."""
        return np.stack([self.losses, self.tokens, self.hits], axis=1).astype(np.float64)


def perplexity_of(losses: TokenLosses) -> float:
    """Return the perplexity of all rows."""
    return float(token_figures(losses.facts.sum(axis=0))["perplexity"])


def token_figures(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Compute perplexity and accuracy of sums [..., 3] of facts; not a number where there are no tokens."""
    losses, tokens, hits = np.moveaxis(sums, -1, 0)
    tokens = np.where(tokens > 0, tokens, np.nan)
    with np.errstate(over="ignore"):
        return {"perplexity": np.exp(losses / tokens), "token_accuracy": hits / tokens}
