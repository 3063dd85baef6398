"""Answers of made-up models on made-up rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sftkeras.evaluation import Judged

WORDS = np.array(["good", "bad", "fine", "poor", "plot", "scene", "actor", "music", "slow", "bright", "dull", "fresh"])


def texts_of(rows: int, seed: int = 0) -> list[str]:
    words = np.random.default_rng(seed).choice(WORDS, size=(rows, 5))
    return [" ".join(row) for row in words]


def judged_classes_of_one(rows: int = 300, labels: int = 3, seed: int = 0) -> Judged:
    random = np.random.default_rng(seed)
    truth = random.integers(labels, size=rows).astype(np.int32)
    logits = random.normal(size=(rows, labels)) + 1.5 * np.eye(labels)[truth]
    answers = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return _judged("class", tuple(f"label {n}" for n in range(labels)), truth, answers.astype(np.float32))


def judged_many_labels(rows: int = 300, labels: int = 4, seed: int = 0) -> Judged:
    random = np.random.default_rng(seed)
    truth = (random.random((rows, labels)) < 0.3).astype(np.uint8)
    answers = 1 / (1 + np.exp(-random.normal(3.0 * truth - 1.5)))
    thresholds = np.linspace(0.3, 0.6, labels)
    return _judged("classes", tuple(f"label {n}" for n in range(labels)), truth, answers.astype(np.float32), thresholds)


def judged_numbers(rows: int = 300, seed: int = 0) -> Judged:
    random = np.random.default_rng(seed)
    truth = random.normal(3, 2, size=rows).astype(np.float32)
    return _judged("number", (), truth, (truth + random.normal(0, 0.7, size=rows)).astype(np.float32))


def _judged(kind, names, truth, answers, thresholds=None) -> Judged:
    places = [("reviews.csv", row + 2) for row in range(len(truth))]
    return Judged(kind, names, texts_of(len(truth)), None, places, truth, answers, thresholds)


@pytest.fixture
def one_label() -> Judged:
    return judged_classes_of_one()


@pytest.fixture
def many_labels() -> Judged:
    return judged_many_labels()


@pytest.fixture
def numbers() -> Judged:
    return judged_numbers()


@pytest.fixture(params=[judged_classes_of_one, judged_many_labels, judged_numbers], ids=["class", "classes", "number"])
def judged(request: pytest.FixtureRequest) -> Judged:
    """A judged model of each kind of label."""
    return request.param()


@pytest.fixture
def judge() -> Callable[..., Judged]:
    """Makes a judged model from plain lists: `judge(kind, names, truth, answers)`."""

    def make(kind: str, names: tuple[str, ...], truth: object, answers: object, **more: object) -> Judged:
        rows = len(np.asarray(truth))
        columns = {"texts": texts_of(rows), "pairs": None, "places": [("reviews.csv", row + 2) for row in range(rows)]}
        return Judged(
            kind=kind, label_names=names, truth=np.asarray(truth), answers=np.asarray(answers, np.float32),
            **(columns | more),
        )  # fmt: skip

    return make
