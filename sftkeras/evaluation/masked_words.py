"""Evaluated masked words: how likely a model held the tokens hidden in some texts, and the figures that follow.

A text is evaluated by the tokens that an exported version hides in it, always the same ones.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from sftkeras.errors import SFTError
from sftkeras.evaluation.baselines import Baseline, Baselines
from sftkeras.evaluation.report.mistakes import row_facts
from sftkeras.evaluation.statistics.metrics import Scores, Tally

# How often a token is hidden in the evaluated texts, and what that is called; the rarest first.
FREQUENCIES = ((1, "once"), (9, "2 to 9 times"), (99, "10 to 99 times"), (None, "100 times or more"))


@dataclass(frozen=True, eq=False)
class EvaluatedMasks:
    """What a model held likely for the tokens that were hidden in some texts.

    Args:
        texts: the text of each row.
        places: file name and 1-based line of each row.
        rows: [tokens] int, the row of each hidden token, ascending.
        hidden: [tokens] str, the hidden tokens.
        losses: [tokens] float64, the negative log-probability that the model gave each.
        guesses: [tokens, 5] str, the likeliest tokens, the likeliest first; fewer columns are fine.
        sureness: [tokens] float, the probability of the likeliest.
        vocabulary: how many tokens the model knows.

    Raises:
        SFTError: SFT603 for losses that are not finite, SFT617 if nothing was hidden.
    """

    texts: Sequence[str]
    places: Sequence[tuple[str, int]]
    rows: np.ndarray
    hidden: np.ndarray
    losses: np.ndarray
    guesses: np.ndarray
    sureness: np.ndarray
    vocabulary: int

    kind: ClassVar[str] = "masked_words"
    pairs: ClassVar[None] = None
    label_names: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        if not len(self.rows):
            raise SFTError("SFT617", rows=len(self.texts))
        if (bad := np.flatnonzero(~np.isfinite(self.losses))).size:
            place = "{} line {}".format(*self.places[self.rows[bad[0]]])
            raise SFTError("SFT603", count=bad.size, total=len(self.losses), place=place)

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def hits(self) -> np.ndarray:
        """[tokens, 5] bool: whether the hidden token is among the first one, two … guesses."""
        return np.logical_or.accumulate(self.guesses == self.hidden[:, np.newaxis], axis=1)

    @cached_property
    def counts(self) -> np.ndarray:
        """[tokens] int: how often each hidden token is hidden in all texts."""
        _, number, counts = np.unique(self.hidden, return_inverse=True, return_counts=True)
        return counts[number]

    def in_words(self, row: int) -> tuple[str, str]:
        """What was hidden in a row, and what was held likeliest, for people."""
        here = self.rows == row
        return " ".join(self.hidden[here]), " ".join(self.guesses[here, 0])


def read_masks(rows: dict[str, Any], answers: dict[str, np.ndarray], task: dict[str, Any]) -> EvaluatedMasks:
    """Takes the answers of an exported version apart.

    Args:
        rows: texts and places.
        answers: `token` and `probability` [rows, most, 5], `hidden` and `loss` [rows, most].
        task: the task's settings.
    """
    there = answers["hidden"] != ""
    return EvaluatedMasks(
        rows["texts"],
        rows["places"],
        rows=np.nonzero(there)[0],
        hidden=answers["hidden"][there],
        losses=answers["loss"][there].astype(np.float64),
        guesses=answers["token"][there],
        sureness=answers["probability"][there][:, 0],
        vocabulary=task["vocabulary"],
    )


def masks_tally(evaluated: EvaluatedMasks) -> Tally:
    """The additive facts of each text, and the figures of their sums."""
    from scipy.sparse import csr_array

    facts = np.zeros((len(evaluated), 4))
    for column, values in enumerate(_facts(evaluated)):
        np.add.at(facts[:, column], evaluated.rows, values)
    return Tally(csr_array(facts), _figures)


def _facts(evaluated: EvaluatedMasks) -> tuple[np.ndarray, ...]:
    """Of each hidden token its loss, one, and whether the first guess, or any of the five, was right."""
    return evaluated.losses, np.ones(len(evaluated.rows)), evaluated.hits[:, 0], evaluated.hits[:, -1]


def _figures(sums: np.ndarray) -> dict[str, np.ndarray]:
    loss, tokens, first, any_of_five = np.moveaxis(sums, -1, 0)
    tokens = np.where(tokens > 0, tokens, np.nan)  # resampling may draw texts without a hidden token alone
    return {
        "perplexity": np.exp(loss / tokens),
        "masked_accuracy": first / tokens,
        "masked_accuracy_5": any_of_five / tokens,
    }


def score_masks(evaluated: EvaluatedMasks) -> Scores:
    """Computes every figure of hidden words, also by how frequent they are."""
    return Scores(
        _plain(_figures(np.stack([values.sum() for values in _facts(evaluated)]))),
        {},
        None,
        None,
        _by_frequency(evaluated),
    )


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
    """Returns at most `limit` tokens that the model was surest were others, the surest first."""
    wrong = np.flatnonzero(~evaluated.hits[:, 0])
    surest = wrong[np.argsort(-evaluated.sureness[wrong], kind="stable")[:limit]]
    return [
        row_facts(evaluated, evaluated.rows[token])
        | {
            "truth": str(evaluated.hidden[token]),
            "answer": str(evaluated.guesses[token, 0]),
            "probability": float(evaluated.sureness[token]),
            "truth_probability": float(np.exp(-evaluated.losses[token])),
        }
        for token in surest
    ]


def fit_mask_baselines(read_texts: Any, train_truth: Any, evaluated: EvaluatedMasks, seed: int = 17) -> Baselines:
    """What is reached by knowing nothing but how frequent tokens are.

    Each token is as likely as it is among the other hidden tokens of these very texts; what stands nowhere else shares
    what Witten and Bell (1991) leave for the unseen.
    """
    start = time.perf_counter()
    names, number, counts = np.unique(evaluated.hidden, return_inverse=True, return_counts=True)
    others, kinds = len(number) - 1, len(names) - 1
    unseen = (kinds / (others + kinds) if kinds else 1.0) / (evaluated.vocabulary - kinds)
    shares = np.where(counts > 1, (counts - 1) / (others + len(names)), unseen)[number]
    usual = names[np.argsort(-counts, kind="stable")[: evaluated.guesses.shape[1]]]
    answers = replace(
        evaluated,
        losses=-np.log(shares),
        guesses=np.broadcast_to(usual, (len(number), len(usual))),
        sureness=np.full(len(number), counts.max() / len(number)),
    )
    seconds = time.perf_counter() - start
    return Baselines((Baseline("frequencies", "how frequent each token is", answers, len(train_truth), seconds),))
