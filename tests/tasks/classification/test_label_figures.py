"""Figures of labels are those of scikit-learn."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sklearn.metrics as sk
from evaluated_rows import many_label_rows, many_labels, one_label, one_label_rows

from sftkeras.tasks.classification.evaluation import METRICS
from sftkeras.tasks.classification.scores import score_labels


@pytest.mark.parametrize("labels", [2, 3, 7])
def test_figures_of_one_label_are_those_of_sklearn(labels):
    evaluated = one_label_rows(labels=labels)
    truth, given, answers = evaluated.truth, evaluated.given, evaluated.predictions.astype(np.float64)
    expected = {
        "accuracy": sk.accuracy_score(truth, given),
        "log_loss": sk.log_loss(truth, answers / answers.sum(1)[:, None]),
    }
    for average in ("macro", "weighted"):
        figures = sk.precision_recall_fscore_support(truth, given, average=average, zero_division=0)
        expected |= {
            f"{average}_{name}": value for name, value in zip(("precision", "recall", "f1"), figures, strict=False)
        }
    expected["brier"] = sk.brier_score_loss(truth, answers[:, 1] if labels == 2 else answers / answers.sum(1)[:, None])
    scores = score_labels(evaluated)
    assert {name: scores.metrics[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert scores.confusion["counts"] == sk.confusion_matrix(truth, given).tolist()


def test_figures_of_each_label_are_those_of_sklearn():
    rows = one_label_rows()
    expected = sk.precision_recall_fscore_support(rows.truth, rows.given, zero_division=0)
    for number, row in enumerate(score_labels(rows).per_class.values()):
        is_label, probability = rows.truth == number, rows.predictions[:, number]
        assert row["roc_auc"] == pytest.approx(sk.roc_auc_score(is_label, probability))
        assert row["average_precision"] == pytest.approx(sk.average_precision_score(is_label, probability))
        for name, column in zip(("precision", "recall", "f1", "support"), expected, strict=True):
            assert row[name] == pytest.approx(column[number])


def test_figures_of_many_labels_are_those_of_sklearn():
    rows = many_label_rows()
    truth, given = rows.truth, rows.given
    expected = {
        "subset_accuracy": sk.accuracy_score(truth, given),
        "hamming_loss": sk.hamming_loss(truth, given),
    }
    for average in ("micro", "macro", "weighted"):
        figures = sk.precision_recall_fscore_support(truth, given, average=average, zero_division=0)
        expected |= {
            f"{average}_{name}": value for name, value in zip(("precision", "recall", "f1"), figures, strict=False)
        }
    expected["log_loss"] = np.mean([sk.log_loss(truth[:, n], rows.predictions[:, n]) for n in range(4)])
    scores = score_labels(rows)
    assert {name: scores.metrics[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert scores.confusion["counts"] == sk.multilabel_confusion_matrix(truth, given).tolist()


def test_a_label_without_rows_does_not_lower_the_macro_average():
    scores = score_labels(one_label(("a", "b", "rare"), [0, 1], [[0.9, 0.1, 0], [0.2, 0.8, 0]]))
    assert scores.metrics["macro_f1"] == 1
    assert scores.per_class["rare"] == {
        "precision": None, "recall": None, "f1": None, "support": 0, "answered": 0,
        "roc_auc": None, "average_precision": None,
    }  # fmt: skip


def test_a_large_confusion_matrix_is_told_by_its_pairs():
    confusion = score_labels(one_label_rows(rows=2000, labels=250)).confusion
    assert confusion["counts"] is None
    counts = [pair["count"] for pair in confusion["most_confused"]]
    assert counts == sorted(counts, reverse=True)
    assert 0 < len(counts) <= 50


@pytest.mark.parametrize("make", [one_label_rows, many_label_rows])
def test_every_figure_has_a_title_and_a_meaning(make):
    assert set(score_labels(make()).metrics) <= set(METRICS)


@pytest.mark.parametrize(
    ("make", "names", "truth", "answers"),
    [
        (one_label, ("a", "b"), [0], [[0.9, 0.1]]),
        (one_label, ("a", "b", "c"), [0, 1], [[0.9, 0.1, 0], [0.2, 0.8, 0]]),
        (many_labels, ("a", "b"), [[0, 0]], [[0.1, 0.2]]),
    ],
)
def test_degenerate_rows_give_figures_without_warnings(make, names, truth, answers):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metrics = score_labels(make(names, truth, answers)).metrics
    assert all(value is None or np.isfinite(value) for value in metrics.values())
