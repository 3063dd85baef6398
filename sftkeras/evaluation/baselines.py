"""What simple models reach on the same split: the majority (or mean), and TF-IDF with a linear model."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sftkeras.evaluation.evaluated import EvaluatedRows

# Rows the linear model learns from, at most: a sample keeps time and memory flat as the data grows.
MOST_TRAINING_ROWS = 50_000
MOST_CHARACTERS = 20_000
MOST_FEATURES = 200_000
# Weights of the linear model, at most: its solver (L-BFGS) holds about 25 float64 copies of them.
MOST_WEIGHTS = 2_000_000
# With this many rows a word or 2-gram must stand in two of them: it saves memory and, on reviews, scores better.
ROWS_TO_DROP_SINGLES = 1000
# Weaker regularisation than scikit-learn's 1: on 8,000 short reviews it scores 1 to 2 points more.
REGULARISATION_C = 4
# One linear model is fitted for each label; beyond this many it takes longer than it tells.
MOST_SEPARATE_LABELS = 200

# Words, and single characters of scripts that put no space between words, so that 2-grams make sense in both.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
TOKEN_PATTERN = rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+"

ReadTexts = Callable[[np.ndarray], tuple[Sequence[str], Sequence[str] | None]]


@dataclass(frozen=True, eq=False)
class Baseline:
    """A simple model's answers on the evaluated rows.

    Args:
        key: its key in `report.json`.
        name: what people call it.
        evaluated: the same rows, with this model's answers.
        training_rows: how many rows it learned from.
        seconds: time to fit and to answer.
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


def fit_baselines(
    read_texts: ReadTexts, train_truth: np.ndarray, evaluated: EvaluatedRows, seed: int = 17
) -> Baselines:
    """Fits the baselines on the training rows and lets them answer the evaluated rows.

    Args:
        read_texts: takes positions within the training rows (`[n]` int, ascending) to their texts and second texts
            (or None). Asked for at most `MOST_TRAINING_ROWS` rows.
        train_truth: truth of all training rows, as in `EvaluatedRows`.
        evaluated: the rows to answer.
        seed: decides which rows are sampled when there are too many.

    Returns:
        The majority class (or mean), and the linear model unless there is nothing to learn from (one label, no words)
        or there are more than `MOST_SEPARATE_LABELS` labels to learn one by one.
    """
    majority = _majority(train_truth, evaluated)
    if reason := _why_not_linear(train_truth, evaluated):
        return Baselines((majority,), {_linear_name(evaluated): reason})
    try:
        return Baselines((majority, _linear(read_texts, train_truth, evaluated, seed)))
    except _NoWordsError:
        return Baselines((majority,), {_linear_name(evaluated): "The training texts hold no words."})


class _NoWordsError(Exception):
    """Nothing to make features of."""


def _linear_name(evaluated: EvaluatedRows) -> str:
    return "TF-IDF + ridge regression" if evaluated.kind == "number" else "TF-IDF + logistic regression"


def _why_not_linear(train_truth: np.ndarray, evaluated: EvaluatedRows) -> str | None:
    if evaluated.kind == "classes" and len(evaluated.label_names) > MOST_SEPARATE_LABELS:
        return f"More than {MOST_SEPARATE_LABELS} labels: fitting a model for each takes too long."
    if evaluated.kind == "class" and np.ptp(train_truth) == 0:
        return "All training texts have one label."
    return None


def _majority(train_truth: np.ndarray, evaluated: EvaluatedRows) -> Baseline:
    """Answers every text with how often each label (or what number on average) stands in the training rows."""
    start = time.perf_counter()
    rows, labels = len(evaluated), len(evaluated.label_names)
    if evaluated.kind == "class":
        share = np.bincount(train_truth, minlength=labels) / len(train_truth)
        key, name = "majority", f"always “{evaluated.label_names[share.argmax()]}”"
    elif evaluated.kind == "classes":
        share = train_truth.mean(axis=0, dtype=np.float64)
        key, name = "majority", "the labels that most texts have"
    else:
        share = train_truth.mean(dtype=np.float64)
        key, name = "mean", "always the mean"
    answers = np.broadcast_to(share, (rows,) if evaluated.kind == "number" else (rows, labels))
    given = evaluated.with_answers(answers.astype(np.float32))
    return Baseline(key, name, given, len(train_truth), time.perf_counter() - start)


def _linear(read_texts: ReadTexts, train_truth: np.ndarray, evaluated: EvaluatedRows, seed: int) -> Baseline:
    start = time.perf_counter()
    labels = len(evaluated.label_names) if evaluated.kind == "class" else 1  # of one model
    rows = _sample(train_truth, seed)
    truth = np.asarray(train_truth[rows])
    texts, pairs = read_texts(rows)
    most_features = max(1000, min(MOST_FEATURES, MOST_WEIGHTS // labels))
    features = _TextFeatures(most_features, min_df=2 if len(rows) >= ROWS_TO_DROP_SINGLES else 1)
    try:
        train = features.fit(texts, pairs)
    except ValueError as error:  # scikit-learn's way to say that the vocabulary is empty
        raise _NoWordsError from error
    answers = _fit_and_answer(evaluated, train, truth, features.transform(evaluated.texts, evaluated.pairs))
    key = "tfidf_ridge" if evaluated.kind == "number" else "tfidf_logistic_regression"
    return Baseline(
        key, _linear_name(evaluated), evaluated.with_answers(answers), len(rows), time.perf_counter() - start
    )


def _sample(train_truth: np.ndarray, seed: int) -> np.ndarray:
    """Ascending positions of all rows, or of `MOST_TRAINING_ROWS` drawn ones, with at least two labels among them."""
    rows = len(train_truth)
    if rows <= MOST_TRAINING_ROWS:
        return np.arange(rows)
    drawn = np.random.default_rng(seed).choice(rows, MOST_TRAINING_ROWS, replace=False)
    if train_truth.ndim == 1 and np.ptp(train_truth[drawn]) == 0:
        drawn[0] = np.flatnonzero(train_truth != train_truth[drawn[0]])[0]
    return np.sort(drawn)


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


def _fit_and_answer(evaluated: EvaluatedRows, train: Any, truth: np.ndarray, test: Any) -> np.ndarray:
    """Answers in the shape of `evaluated.answers`, float32."""
    if evaluated.kind == "number":
        return _ridge(train, truth, test)
    answers = np.zeros(evaluated.answers.shape, np.float32)
    if evaluated.kind == "class":
        present, probabilities = _logistic(train, truth, test)
        answers[:, present] = probabilities
        return answers
    for label, column in enumerate(truth.T):
        answers[:, label] = column[0]  # what every row says, unless they differ
        if np.ptp(column):
            answers[:, label] = _logistic(train, column, test)[1][:, 1]
    return answers


def _ridge(train: Any, truth: np.ndarray, test: Any) -> np.ndarray:
    from sklearn.linear_model import Ridge

    truth = truth.astype(np.float64)
    # The penalty then weighs the same whatever the unit of the numbers.
    centre, spread = truth.mean(), truth.std() or 1.0
    model = Ridge(solver="sparse_cg").fit(train, (truth - centre) / spread)
    return (model.predict(test) * spread + centre).astype(np.float32)


def _logistic(train: Any, truth: np.ndarray, test: Any) -> tuple[np.ndarray, np.ndarray]:
    """The values that occur in `truth`, and the probability of each: `[rows, values]`."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        # A baseline that is not fully converged is a baseline still.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=REGULARISATION_C, max_iter=200).fit(train, truth)
    return model.classes_, model.predict_proba(test)
