"""Mistakes on labels: the most confident first."""

from __future__ import annotations

import numpy as np
from evaluated_rows import many_label_rows, many_labels, one_label, one_label_rows

from sftkeras.evaluation.report.mistakes import MOST_CHARACTERS
from sftkeras.tasks.classification.mistakes import wrong_decision_mistakes, wrong_label_mistakes


def test_the_most_confident_wrong_label_comes_first():
    evaluated = one_label(("a", "b"), [0, 0, 1], [[0.4, 0.6], [0.1, 0.9], [0.01, 0.99]])
    mistakes = wrong_label_mistakes(evaluated, 10)
    assert [(one["line"], one["truth"], one["answer"]) for one in mistakes] == [(3, "a", "b"), (2, "a", "b")]
    assert abs(mistakes[0]["probability"] - 0.9) < 1e-6


def test_a_missed_label_is_as_bad_as_a_wrong_one():
    evaluated = many_labels(("a", "b"), [[1, 0], [0, 0], [1, 1]], [[0.02, 0.1], [0.9, 0.1], [0.9, 0.9]])
    mistakes = wrong_decision_mistakes(evaluated, 10)
    assert [(one["line"], one["truth"], one["answer"], one["label"]) for one in mistakes] == [
        (2, ["a"], [], "a"),
        (3, [], ["a"], "a"),
    ]


def test_long_texts_are_cut():
    evaluated = one_label(("a", "b"), [1], np.array([[0.9, 0.1]]), texts=["x" * 1_000_000])
    assert len(wrong_label_mistakes(evaluated, 1)[0]["text"]) == MOST_CHARACTERS


def test_no_more_than_asked_for_and_none_when_all_is_right():
    assert len(wrong_label_mistakes(one_label_rows(), 3)) == 3
    assert len(wrong_decision_mistakes(many_label_rows(), 3)) == 3
    assert wrong_label_mistakes(one_label_rows(), 0) == []
    assert wrong_label_mistakes(one_label(("a", "b"), [0], [[0.9, 0.1]]), 5) == []
