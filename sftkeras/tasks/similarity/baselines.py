"""Similarity of texts by their words alone: the cosine of their TF-IDF vectors."""

from __future__ import annotations

import time

import numpy as np

from sftkeras.evaluation.baselines import (
    MOST_CHARACTERS,
    MOST_FEATURES,
    NO_WORDS,
    Baseline,
    Baselines,
    ReadTexts,
    sampled_rows,
)
from sftkeras.evaluation.statistics.words import TOKEN_PATTERN
from sftkeras.tasks.similarity.scores import EvaluatedMatches, EvaluatedScores

_NAME = "TF-IDF cosine"


def fit_similarity_baselines(
    read_texts: ReadTexts, train_truth: np.ndarray, evaluated: EvaluatedMatches | EvaluatedScores, seed: int
) -> Baselines:
    """Counts the words of the training texts and predicts how near the evaluated texts are.

    Args:
        read_texts: takes positions within the training rows to their texts and second texts.
        train_truth: one item a training row.
        evaluated: the rows to answer.
        seed: decides which rows are sampled when there are too many.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    start = time.perf_counter()
    rows = sampled_rows(len(train_truth), seed)
    texts, pairs = read_texts(rows)
    words = TfidfVectorizer(
        token_pattern=TOKEN_PATTERN, sublinear_tf=True, max_features=MOST_FEATURES, dtype=np.float32
    )
    try:
        words.fit(text[:MOST_CHARACTERS] for column in (texts, pairs or ()) for text in column)
    except ValueError:  # scikit-learn's way to say that the vocabulary is empty
        return Baselines(left_out={_NAME: NO_WORDS})
    first, second = (
        words.transform([text[:MOST_CHARACTERS] for text in column]) for column in (evaluated.texts, evaluated.pairs)
    )
    answered = evaluated.with_vectors(first, second)
    return Baselines((Baseline("tfidf_cosine", _NAME, answered, len(rows), time.perf_counter() - start),))
