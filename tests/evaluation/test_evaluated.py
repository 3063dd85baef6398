from __future__ import annotations

import numpy as np
import pytest

from sftkeras.errors import SFTError

AB = ("a", "b")


@pytest.mark.parametrize(
    ("code", "kind", "truth", "answers"),
    [
        ("SFT601", "class", [0, 1], [[0.5, 0.5]]),
        ("SFT601", "classes", [0, 1], [[0.5, 0.5], [0.5, 0.5]]),
        ("SFT602", "class", np.zeros(0, int), np.zeros((0, 2))),
        ("SFT603", "class", [0, 1], [[0.5, 0.5], [np.nan, 0.5]]),
        ("SFT603", "number", [0.0, 1.0], [0.5, np.inf]),
        ("SFT604", "class", [0, 2], [[0.5, 0.5], [0.5, 0.5]]),
        ("SFT604", "class", [0, -1], [[0.5, 0.5], [0.5, 0.5]]),
        ("SFT604", "classes", [[0, 1], [0, 2]], [[0.5, 0.5], [0.5, 0.5]]),
        ("SFT604", "number", [0.0, np.nan], [0.5, 0.5]),
        ("SFT605", "class", [0, 1], [[0.5, 0.5], [2.0, -1.0]]),
        ("SFT605", "class", [0, 1], [[0.5, 0.5], [0.9, 0.9]]),
        ("SFT605", "classes", [[0, 1], [0, 1]], [[0.5, 0.5], [0.5, 3.0]]),
    ],
)
def test_answers_that_cannot_be_evaluated_are_a_coded_error(make, code, kind, truth, answers):
    with pytest.raises(SFTError) as caught:
        make(kind, () if kind == "number" else AB, truth, answers)
    assert caught.value.code == code


def test_the_error_names_the_place_of_the_row(make):
    with pytest.raises(SFTError, match=r"reviews\.csv line 3"):
        make("class", AB, [0, 1], [[0.5, 0.5], [np.nan, 0.5]])


def test_texts_must_be_as_many_as_answers(make):
    with pytest.raises(SFTError, match="texts"):
        make("class", AB, [0, 1], [[0.5, 0.5], [0.5, 0.5]], texts=["only one"])


def test_a_label_is_given_from_its_own_threshold_on(make):
    evaluated = make("classes", AB, [[1, 1]], [[0.25, 0.5]], thresholds=np.array([0.25, 0.75]))
    assert evaluated.given.tolist() == [[True, False]]
