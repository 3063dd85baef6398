"""Baselines: what a simple model predicts for the evaluated rows, and what several tasks' baselines are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sftkeras.evaluation.statistics.words import TOKEN_PATTERN

# Rows that a baseline learns from, at most: a sample keeps time and memory flat as the data grows.
MOST_TRAINING_ROWS = 50_000
MOST_CHARACTERS = 20_000
MOST_FEATURES = 200_000
# Weights of a linear model, at most: its solver (L-BFGS) holds about 25 float64 copies of them.
MOST_WEIGHTS = 2_000_000
# With this many rows a word or 2-gram must stand in two of them: it saves memory and, on reviews, scores better.
ROWS_TO_DROP_SINGLES = 1000

ReadTexts = Callable[[np.ndarray], tuple[Sequence[str], Sequence[str] | None]]

UNTUNED = "untuned"
"""The key of the pretrained model, before it learned."""


@dataclass(frozen=True, eq=False)
class Baseline:
    """A simple model's predictions for the evaluated rows.

    Args:
        key: its key in `report.json`.
        name: what people call it.
        evaluated: the same rows, with this model's predictions.
        training_rows: how many rows it learned from.
        seconds: time to fit and to predict.
    """

    key: str
    name: str
    evaluated: Any
    training_rows: int
    seconds: float


@dataclass(frozen=True)
class Baselines:
    """The baselines of a report, the simplest first, and why others were left out (a sentence by name)."""

    fitted: tuple[Baseline, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def untuned(self) -> Any | None:
        """The same rows with the predictions of the model before it learned; None where it was not evaluated."""
        return next((one.evaluated for one in self.fitted if one.key == UNTUNED), None)


class NoWordsError(Exception):
    """Nothing to make features of."""


NO_WORDS = "The training texts hold no words."


def sampled_rows(rows: int, seed: int) -> np.ndarray:
    """Gives ascending positions of all rows, or of `MOST_TRAINING_ROWS` drawn ones."""
    if rows <= MOST_TRAINING_ROWS:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, MOST_TRAINING_ROWS, replace=False))


def linear_features(read_texts: ReadTexts, rows: np.ndarray, evaluated: Any, outputs: int) -> tuple[Any, Any]:
    """Makes features of training rows and of the evaluated rows for a linear model.

    Args:
        read_texts: takes positions within the training rows to their texts and second texts.
        rows: the positions to learn from.
        evaluated: the rows to predict.
        outputs: of the linear model, which decide how many features it can have.

    Returns:
        `[rows, features]` float32 sparse, of the training rows and of the evaluated ones.

    Raises:
        NoWordsError: the training texts hold no words.
    """
    most_features = max(1000, min(MOST_FEATURES, MOST_WEIGHTS // outputs))
    features = _TextFeatures(most_features, min_df=2 if len(rows) >= ROWS_TO_DROP_SINGLES else 1)
    try:
        train = features.fit(*read_texts(rows))
    except ValueError as error:  # scikit-learn's way to say that the vocabulary is empty
        raise NoWordsError from error
    return train, features.transform(evaluated.texts, evaluated.pairs)


class _TextFeatures:
    """TF-IDF of 1- and 2-grams; for pairs that of both texts, of what they share, and how alike they are."""

    def __init__(self, most_features: int, min_df: int) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._vectorizer = TfidfVectorizer(
            ngram_range=(1, 2),
            token_pattern=TOKEN_PATTERN,
            sublinear_tf=True,
            max_features=most_features,
            min_df=min_df,
            dtype=np.float32,
        )

    def fit(self, texts: Sequence[str], pairs: Sequence[str] | None) -> Any:
        self._vectorizer.fit(_short([*texts, *(pairs or ())]))
        return self.transform(texts, pairs)

    def transform(self, texts: Sequence[str], pairs: Sequence[str] | None) -> Any:
        """`[rows, features]` float32, sparse."""
        from scipy.sparse import csr_matrix, hstack

        first = self._vectorizer.transform(_short(texts))
        if pairs is None:
            return first
        second = self._vectorizer.transform(_short(pairs))
        shared = first.multiply(second)
        return hstack([first, second, shared, csr_matrix(shared.sum(axis=1))], format="csr")


def _short(texts: Sequence[str]) -> list[str]:
    return [text[:MOST_CHARACTERS] for text in texts]
