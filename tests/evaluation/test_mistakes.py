from __future__ import annotations

import numpy as np

from sftkeras.evaluation.report.mistakes import MOST_CHARACTERS, worst_mistakes


def test_the_surest_wrong_answer_comes_first(make):
    evaluated = make("class", ("a", "b"), [0, 0, 1], [[0.4, 0.6], [0.1, 0.9], [0.01, 0.99]])
    mistakes = worst_mistakes(evaluated, 10)
    assert [(one["line"], one["truth"], one["answer"]) for one in mistakes] == [(3, "a", "b"), (2, "a", "b")]
    assert abs(mistakes[0]["probability"] - 0.9) < 1e-6


def test_a_missed_label_is_as_bad_as_a_wrong_one(make):
    evaluated = make("classes", ("a", "b"), [[1, 0], [0, 0], [1, 1]], [[0.02, 0.1], [0.9, 0.1], [0.9, 0.9]])
    mistakes = worst_mistakes(evaluated, 10)
    assert [(one["line"], one["truth"], one["answer"], one["label"]) for one in mistakes] == [
        (2, ["a"], [], "a"),
        (3, [], ["a"], "a"),
    ]


def test_the_largest_errors_of_numbers_come_first(make):
    evaluated = make("number", (), [1.0, 2.0, 3.0], [1.0, 4.0, -2.0])
    assert [(one["line"], one["error"]) for one in worst_mistakes(evaluated, 10)] == [(4, -5), (3, 2)]


def test_no_more_than_asked_for_and_none_when_all_is_right(evaluated, make):
    assert len(worst_mistakes(evaluated, 3)) == 3
    assert worst_mistakes(evaluated, 0) == []
    assert worst_mistakes(make("class", ("a", "b"), [0], [[0.9, 0.1]]), 5) == []


def test_long_texts_are_cut(make):
    evaluated = make("class", ("a", "b"), [1], np.array([[0.9, 0.1]]), texts=["x" * 1_000_000])
    assert len(worst_mistakes(evaluated, 1)[0]["text"]) == MOST_CHARACTERS
