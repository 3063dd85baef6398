"""Answers of made-up models on made-up rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sftkeras.evaluation import EvaluatedRows

WORDS = np.array(["good", "bad", "fine", "poor", "plot", "scene", "actor", "music", "slow", "bright", "dull", "fresh"])


def texts_of(rows: int, seed: int = 0) -> list[str]:
    words = np.random.default_rng(seed).choice(WORDS, size=(rows, 5))
    return [" ".join(row) for row in words]


def one_label_rows(rows: int = 300, labels: int = 3, seed: int = 0) -> EvaluatedRows:
    random = np.random.default_rng(seed)
    truth = random.integers(labels, size=rows).astype(np.int32)
    logits = random.normal(size=(rows, labels)) + 1.5 * np.eye(labels)[truth]
    answers = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return _evaluated("class", tuple(f"label {n}" for n in range(labels)), truth, answers.astype(np.float32))


def many_label_rows(rows: int = 300, labels: int = 4, seed: int = 0) -> EvaluatedRows:
    random = np.random.default_rng(seed)
    truth = (random.random((rows, labels)) < 0.3).astype(np.uint8)
    answers = 1 / (1 + np.exp(-random.normal(3.0 * truth - 1.5)))
    thresholds = np.linspace(0.3, 0.6, labels)
    return _evaluated(
        "classes", tuple(f"label {n}" for n in range(labels)), truth, answers.astype(np.float32), thresholds
    )


def number_rows(rows: int = 300, seed: int = 0) -> EvaluatedRows:
    random = np.random.default_rng(seed)
    truth = random.normal(3, 2, size=rows).astype(np.float32)
    return _evaluated("number", (), truth, (truth + random.normal(0, 0.7, size=rows)).astype(np.float32))


def _evaluated(kind, names, truth, answers, thresholds=None) -> EvaluatedRows:
    places = [("reviews.csv", row + 2) for row in range(len(truth))]
    return EvaluatedRows(kind, names, texts_of(len(truth)), None, places, truth, answers, thresholds)


@pytest.fixture
def one_label() -> EvaluatedRows:
    return one_label_rows()


@pytest.fixture
def many_labels() -> EvaluatedRows:
    return many_label_rows()


@pytest.fixture
def numbers() -> EvaluatedRows:
    return number_rows()


@pytest.fixture(params=[one_label_rows, many_label_rows, number_rows], ids=["class", "classes", "number"])
def evaluated(request: pytest.FixtureRequest) -> EvaluatedRows:
    """A evaluated model of each kind of label."""
    return request.param()


@pytest.fixture
def make() -> Callable[..., EvaluatedRows]:
    """Makes evaluated rows from plain lists: `make(kind, names, truth, answers)`."""

    def make(kind: str, names: tuple[str, ...], truth: object, answers: object, **more: object) -> EvaluatedRows:
        rows = len(np.asarray(truth))
        columns = {"texts": texts_of(rows), "pairs": None, "places": [("reviews.csv", row + 2) for row in range(rows)]}
        return EvaluatedRows(
            kind=kind, label_names=names, truth=np.asarray(truth), answers=np.asarray(answers, np.float32),
            **(columns | more),
        )  # fmt: skip

    return make
