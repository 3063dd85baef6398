"""Baselines of chat: answers out of the training conversations, by how frequent they are and by likeness of prompts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

import numpy as np

from sftkeras.conversations import Conversation
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
from sftkeras.tasks.chat.scores import EvaluatedAnswers, in_plain_words

_BLOCK = 256  # evaluated rows whose likeness to all training rows is held at once
_FREQUENT, _NEAREST = "the most frequent answer", "the answer to the nearest training prompt"


def fit_answer_baselines(
    read_texts: ReadTexts, training_rows: int, evaluated: EvaluatedAnswers, seed: int
) -> Baselines:
    """Takes answers to the evaluated rows out of the training rows.

    Args:
        read_texts: takes positions within the training rows to their conversations, as canonical JSON.
        training_rows: how many there are.
        evaluated: the rows to answer.
        seed: decides which training rows are sampled when there are too many.
    """
    rows = sampled_rows(training_rows, seed)
    start = time.perf_counter()
    known = [Conversation.from_json(text) for text in read_texts(rows)[0]]
    prompts = [in_plain_words(one.prompt) for one in known]
    answers = [one.last_answer for one in known]
    frequent = Counter(answers).most_common(1)[0][0]
    baselines = [_baseline("frequent_answer", _FREQUENT, [frequent] * len(evaluated), evaluated, len(rows), start)]
    start = time.perf_counter()
    nearest = nearest_prompts(prompts, evaluated.texts)
    if nearest is None:
        return Baselines(tuple(baselines), {_NEAREST: NO_WORDS})
    found = [answers[row] for row in nearest]
    return Baselines((*baselines, _baseline("nearest_answer", _NEAREST, found, evaluated, len(rows), start)))


def nearest_prompts(prompts: Sequence[str], texts: Sequence[str]) -> np.ndarray | None:
    """Find the prompt that is most like each text, by the cosine of TF-IDF vectors of words and their pairs.

    Returns:
        [texts] int, places in `prompts`; None if these have no words.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2),
        token_pattern=TOKEN_PATTERN,
        sublinear_tf=True,
        max_features=MOST_FEATURES,
        dtype=np.float32,
    )
    try:
        known = vectorizer.fit_transform([prompt[:MOST_CHARACTERS] for prompt in prompts]).T.tocsr()
    except ValueError:  # scikit-learn's way to say that the vocabulary is empty
        return None
    asked = vectorizer.transform([text[:MOST_CHARACTERS] for text in texts])
    # A block at a time: the likeness of all to all may not fit in memory.
    blocks = [asked[first : first + _BLOCK] @ known for first in range(0, len(texts), _BLOCK)]
    return np.concatenate([np.asarray(block.argmax(axis=1)).ravel() for block in blocks])


def _baseline(
    key: str, name: str, answers: Sequence[str], evaluated: EvaluatedAnswers, rows: int, start: float
) -> Baseline:
    return Baseline(key, name, evaluated.with_answers(answers), rows, time.perf_counter() - start)
