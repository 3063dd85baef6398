"""Baselines of labels learn what is simple to learn, and are left out with a reason."""

from __future__ import annotations

import numpy as np
import pytest
from evaluated_rows import many_labels, one_label, one_label_rows, texts_of

from sftkeras.tasks.classification.baselines import fit_label_baselines
from sftkeras.tasks.classification.scores import score_labels


def reader(texts, pairs=None):
    return lambda rows: ([texts[row] for row in rows], pairs and [pairs[row] for row in rows])


def test_majority_answers_what_is_most_frequent_in_training():
    evaluated = one_label_rows()
    truth = np.array([2] * 60 + [0] * 40)
    majority = fit_label_baselines(reader(texts_of(100)), truth, evaluated, 17).fitted[0]
    assert set(majority.evaluated.given) == {2}
    assert majority.evaluated.predictions[0] == pytest.approx([0.4, 0, 0.6])


def test_the_linear_model_learns_words():
    texts = ["a good film", "a bad film", "such good fun", "such bad taste"] * 20
    truth = np.array([1, 0, 1, 0] * 20)
    evaluated = one_label(("bad", "good"), [1, 0], [[0.5, 0.5]] * 2, texts=["good one", "bad one"])
    linear = fit_label_baselines(reader(texts), truth, evaluated, 17).fitted[1]
    assert score_labels(linear.evaluated).metrics["accuracy"] == 1


def test_the_linear_model_learns_chinese():
    texts = ["这部电影很好看", "这部电影很难看", "故事好看极了", "故事难看极了"] * 20
    evaluated = one_label(("差", "好"), [1, 0], [[0.5, 0.5]] * 2, texts=["演员好看", "演员难看"])
    linear = fit_label_baselines(reader(texts), np.array([1, 0, 1, 0] * 20), evaluated, 17).fitted[1]
    assert score_labels(linear.evaluated).metrics["accuracy"] == 1


def test_pairs_are_told_by_what_they_share():
    first, second = texts_of(400, seed=1), texts_of(400, seed=2)
    second = [a if row % 2 else b for row, (a, b) in enumerate(zip(first, second, strict=True))]
    truth = np.arange(400) % 2
    evaluated = one_label(("other", "same"), truth[:100], np.full((100, 2), 0.5), texts=first[:100], pairs=second[:100])
    rest = reader(first[100:], second[100:])
    linear = fit_label_baselines(rest, truth[100:], evaluated, 17).fitted[1]
    assert score_labels(linear.evaluated).metrics["accuracy"] > 0.95


def test_many_labels_have_a_model_each_and_constant_ones_none():
    texts = ["good plot", "bad plot", "good music", "bad music"] * 10
    truth = np.array([[1, 0, 1, 0], [0, 0, 1, 0], [1, 1, 1, 0], [0, 1, 1, 0]] * 10, np.uint8)
    names = ("good", "music", "always", "never")
    evaluated = many_labels(names, [[1, 1, 1, 0]], [[0.5] * 4], texts=["good music"])
    linear = fit_label_baselines(reader(texts), truth, evaluated, 17).fitted[1]
    assert linear.evaluated.given.tolist() == [[True, True, True, False]]


def test_only_a_sample_of_many_rows_is_read(monkeypatch):
    monkeypatch.setattr("sftkeras.evaluation.baselines.MOST_TRAINING_ROWS", 50)
    asked: list[np.ndarray] = []

    def read(rows):
        asked.append(rows)
        return texts_of(len(rows)), None

    evaluated = one_label(("a", "b"), [0, 1], [[0.5, 0.5]] * 2)
    linear = fit_label_baselines(read, np.arange(1000) % 2, evaluated, 17).fitted[1]
    assert linear.training_rows == 50
    assert len(asked) == 1
    assert len(set(asked[0])) == 50
    assert (np.diff(asked[0]) > 0).all()


@pytest.mark.parametrize(
    ("texts", "truth", "reason"),
    [(["good"] * 4, [1, 1, 1, 1], "one label"), (["?!"] * 4, [0, 1, 0, 1], "no words")],
)
def test_a_linear_model_that_cannot_be_fitted_is_left_out_with_its_reason(texts, truth, reason):
    evaluated = one_label(("a", "b"), [0, 1], [[0.5, 0.5]] * 2)
    baselines = fit_label_baselines(reader(texts), np.array(truth), evaluated, 17)
    assert [one.key for one in baselines.fitted] == ["majority"]
    assert reason in baselines.left_out["TF-IDF + logistic regression"]
