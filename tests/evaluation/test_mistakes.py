from __future__ import annotations

from evaluated_rows import number_rows, numbers

from sftkeras.evaluation.report.mistakes import largest_errors


def test_the_largest_errors_of_numbers_come_first():
    evaluated = numbers([1.0, 2.0, 3.0], [1.0, 4.0, -2.0])
    assert [(one["line"], one["error"]) for one in largest_errors(evaluated, 10)] == [(4, -5), (3, 2)]


def test_no_more_errors_than_asked_for_and_none_when_all_is_right():
    assert len(largest_errors(number_rows(), 3)) == 3
    assert largest_errors(number_rows(), 0) == []
    assert largest_errors(numbers([1.0], [1.0]), 5) == []
