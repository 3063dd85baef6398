"""Evaluated masked tokens: the probabilities that a model gave them, and the figures that follow.

A text is evaluated by the tokens that an exported version masks in it, always the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sftkeras.errors import SFTError
from sftkeras.evaluation.evaluated import EvaluatedRows, check_finite
from sftkeras.evaluation.report.mistakes import row_facts
from sftkeras.evaluation.statistics.metrics import Scores, Tally

# How often a token is masked in the evaluated texts, and the name of that group; the rarest first.
FREQUENCIES = ((1, "once"), (9, "2 to 9 times"), (99, "10 to 99 times"), (None, "100 times or more"))


@dataclass(frozen=True, eq=False)
class EvaluatedMasks(EvaluatedRows):
    """Predictions of a model for the masked tokens of some texts.

    Args:
        texts: the text of each row.
        pairs: None.
        places: file name and 1-based line of each row.
        rows: [tokens] int, the row of each masked token, ascending.
        hidden: [tokens] str, the masked tokens.
        losses: [tokens] float64, the negative log-probability that the model gave each.
        guesses: [tokens, 5] str, the likeliest tokens, the likeliest first; fewer columns are fine.
        confidence: [tokens] float, the probability of the likeliest.
        vocabulary: how many tokens the model knows.

    Raises:
        SFTError: SFT603 for losses that are not finite, SFT617 if nothing was masked.
    """

    rows: np.ndarray
    hidden: np.ndarray
    losses: np.ndarray
    guesses: np.ndarray
    confidence: np.ndarray
    vocabulary: int

    def __post_init__(self) -> None:
        if not len(self.rows):
            raise SFTError("SFT617", rows=len(self.texts))
        check_finite(self.losses, [self.places[row] for row in self.rows])

    @cached_property
    def hits(self) -> np.ndarray:
        """[tokens, 5] bool: whether the masked token is among the first one, two … guesses."""
        return np.logical_or.accumulate(self.guesses == self.hidden[:, np.newaxis], axis=1)

    @cached_property
    def counts(self) -> np.ndarray:
        """[tokens] int: how often each masked token is masked in all texts."""
        _, number, counts = np.unique(self.hidden, return_inverse=True, return_counts=True)
        return counts[number]

    def in_words(self, row: int) -> tuple[str, str]:
        """Return the masked tokens of a row and the most probable predictions, as text."""
        here = self.rows == row
        return " ".join(self.hidden[here]), " ".join(self.guesses[here, 0])


def read_masks(rows: dict[str, Any], predictions: dict[str, np.ndarray], vocabulary: int) -> EvaluatedMasks:
    """Read the predictions of an exported version.

    Args:
        rows: texts and places.
        predictions: `token` and `probability` [rows, most, 5], `hidden` and `loss` [rows, most].
        vocabulary: how many tokens the model knows.
    """
    there = predictions["hidden"] != ""
    return EvaluatedMasks(
        **rows | {"pairs": None},
        rows=np.nonzero(there)[0],
        hidden=predictions["hidden"][there],
        losses=predictions["loss"][there].astype(np.float64),
        guesses=predictions["token"][there],
        confidence=predictions["probability"][there][:, 0],
        vocabulary=vocabulary,
    )


def masks_tally(evaluated: EvaluatedMasks) -> Tally:
    """The additive facts of each text, and the figures of their sums."""
    from scipy.sparse import csr_array

    facts = np.zeros((len(evaluated), 4))
    for column, values in enumerate(_facts(evaluated)):
        np.add.at(facts[:, column], evaluated.rows, values)
    return Tally(csr_array(facts), _figures)


def _facts(evaluated: EvaluatedMasks) -> tuple[np.ndarray, ...]:
    """Of each masked token its loss, one, and whether the first guess, or any of the five, was right."""
    return evaluated.losses, np.ones(len(evaluated.rows)), evaluated.hits[:, 0], evaluated.hits[:, -1]


def _figures(sums: np.ndarray) -> dict[str, np.ndarray]:
    loss, tokens, first, any_of_five = np.moveaxis(sums, -1, 0)
    tokens = np.where(tokens > 0, tokens, np.nan)  # resampling may draw texts without a masked token alone
    return {
        "perplexity": np.exp(loss / tokens),
        "masked_accuracy": first / tokens,
        "masked_accuracy_5": any_of_five / tokens,
    }


def score_masks(evaluated: EvaluatedMasks) -> Scores:
    """Computes every figure of masked words, also by how frequent they are."""
    figures = _plain(_figures(np.stack([values.sum() for values in _facts(evaluated)])))
    return Scores(figures, breakdowns=_by_frequency(evaluated))


def _plain(figures: dict[str, np.ndarray]) -> dict[str, float | None]:
    return {name: float(value) for name, value in figures.items()}


def _by_frequency(evaluated: EvaluatedMasks) -> dict[str, list[dict[str, Any]]]:
    facts, groups, least = np.stack(_facts(evaluated), axis=1), [], 0
    for most, name in FREQUENCIES:
        here = (evaluated.counts > least) & (evaluated.counts <= (most or np.inf))
        if here.any():
            figures = _plain(_figures(facts[here].sum(axis=0)))
            groups.append({"group": name, "support": int(here.sum()), "metrics": figures})
        least = most or least
    return {"how often the token is hidden": groups}


def worst_guesses(evaluated: EvaluatedMasks, limit: int) -> list[dict[str, Any]]:
    """Describes at most `limit` masked tokens that were predicted wrongly, the most confident first."""
    wrong = np.flatnonzero(~evaluated.hits[:, 0])
    worst = wrong[np.argsort(-evaluated.confidence[wrong], kind="stable")[:limit]]
    return [
        row_facts(evaluated, evaluated.rows[token])
        | {
            "truth": str(evaluated.hidden[token]),
            "answer": str(evaluated.guesses[token, 0]),
            "probability": float(evaluated.confidence[token]),
            "truth_probability": float(np.exp(-evaluated.losses[token])),
        }
        for token in worst
    ]
