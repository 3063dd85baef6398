"""Figures are those of scikit-learn and scipy."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sklearn.metrics as sk
from scipy import stats

from sftkeras.evaluation import score
from sftkeras.evaluation.statistics.metrics import METRICS, confusion_counts, most_confused

from .conftest import one_label_rows


@pytest.mark.parametrize("labels", [2, 3, 7])
def test_figures_of_one_label_are_those_of_sklearn(labels):
    evaluated = one_label_rows(labels=labels)
    truth, given, answers = evaluated.truth, evaluated.given, evaluated.answers.astype(np.float64)
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
    scores = score(evaluated)
    assert {name: scores.metrics[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert scores.confusion["counts"] == sk.confusion_matrix(truth, given).tolist()


def test_figures_of_each_label_are_those_of_sklearn(one_label):
    expected = sk.precision_recall_fscore_support(one_label.truth, one_label.given, zero_division=0)
    for number, row in enumerate(score(one_label).per_class.values()):
        is_label, probability = one_label.truth == number, one_label.answers[:, number]
        assert row["roc_auc"] == pytest.approx(sk.roc_auc_score(is_label, probability))
        assert row["average_precision"] == pytest.approx(sk.average_precision_score(is_label, probability))
        for name, column in zip(("precision", "recall", "f1", "support"), expected, strict=True):
            assert row[name] == pytest.approx(column[number])


def test_figures_of_many_labels_are_those_of_sklearn(many_labels):
    truth, given = many_labels.truth, many_labels.given
    expected = {"subset_accuracy": sk.accuracy_score(truth, given), "hamming_loss": sk.hamming_loss(truth, given)}
    for average in ("micro", "macro", "weighted"):
        figures = sk.precision_recall_fscore_support(truth, given, average=average, zero_division=0)
        expected |= {
            f"{average}_{name}": value for name, value in zip(("precision", "recall", "f1"), figures, strict=False)
        }
    expected["log_loss"] = np.mean([sk.log_loss(truth[:, n], many_labels.answers[:, n]) for n in range(4)])
    scores = score(many_labels)
    assert {name: scores.metrics[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert scores.confusion["counts"] == sk.multilabel_confusion_matrix(truth, given).tolist()


def test_figures_of_numbers_are_those_of_sklearn_and_scipy(numbers):
    truth, answers = numbers.truth.astype(np.float64), numbers.answers.astype(np.float64)
    expected = {
        "mae": sk.mean_absolute_error(truth, answers),
        "rmse": sk.root_mean_squared_error(truth, answers),
        "r2": sk.r2_score(truth, answers),
        "pearson": stats.pearsonr(truth, answers).statistic,
        "spearman": stats.spearmanr(truth, answers).statistic,
        "median_absolute_error": sk.median_absolute_error(truth, answers),
    }
    assert score(numbers).metrics == pytest.approx(expected)


def test_figures_of_numbers_keep_their_digits_far_from_zero(make):
    truth = 1e6 + np.arange(50, dtype=np.float64)
    evaluated = make("number", (), truth, truth + np.tile([0.5, -0.5], 25))
    assert score(evaluated).metrics["r2"] == pytest.approx(
        sk.r2_score(truth, evaluated.answers.astype(np.float64)), abs=1e-6
    )


def test_every_figure_has_a_title_and_a_meaning(evaluated):
    assert set(score(evaluated).metrics) <= set(METRICS)


@pytest.mark.parametrize(
    ("kind", "names", "truth", "answers"),
    [
        ("class", ("a", "b"), [0], [[0.9, 0.1]]),
        ("class", ("a", "b", "c"), [0, 1], [[0.9, 0.1, 0], [0.2, 0.8, 0]]),
        ("classes", ("a", "b"), [[0, 0]], [[0.1, 0.2]]),
        ("number", (), [1.0], [2.0]),
        ("number", (), [1.0, 1.0], [2.0, 2.0]),
        ("number", (), [1e30, 2e30], [0.0, 0.0]),
    ],
)
def test_degenerate_rows_give_figures_without_warnings(make, kind, names, truth, answers):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metrics = score(make(kind, names, truth, answers)).metrics
    assert all(value is None or np.isfinite(value) for value in metrics.values())


def test_a_label_without_rows_does_not_lower_the_macro_average(make):
    scores = score(make("class", ("a", "b", "rare"), [0, 1], [[0.9, 0.1, 0], [0.2, 0.8, 0]]))
    assert scores.metrics["macro_f1"] == 1
    assert scores.per_class["rare"] == {
        "precision": None, "recall": None, "f1": None, "support": 0, "answered": 0,
        "roc_auc": None, "average_precision": None,
    }  # fmt: skip


def test_a_large_confusion_matrix_is_told_by_its_pairs():
    confusion = score(one_label_rows(rows=2000, labels=250)).confusion
    assert confusion["counts"] is None
    counts = [pair["count"] for pair in confusion["most_confused"]]
    assert counts == sorted(counts, reverse=True)
    assert 0 < len(counts) <= 50


def test_most_confused_labels_are_found():
    counts = confusion_counts(np.array([0, 0, 1, 2, 2, 3]), np.array([0, 0, 1, 3, 3, 2]), 4)
    assert most_confused(counts, 2).tolist() == [2, 3]
