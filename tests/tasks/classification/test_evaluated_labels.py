"""Predictions that cannot be evaluated are a coded error; labels are given by thresholds."""

from __future__ import annotations

import numpy as np
import pytest
from evaluated_rows import many_labels, one_label

from sftkeras.errors import SFTError

AB = ("a", "b")


@pytest.mark.parametrize(
    ("code", "make", "truth", "answers"),
    [
        ("SFT601", one_label, [0, 1], [[0.5, 0.5]]),
        ("SFT601", many_labels, [0, 1], [[0.5, 0.5], [0.5, 0.5]]),
        ("SFT602", one_label, np.zeros(0, int), np.zeros((0, 2))),
        ("SFT603", one_label, [0, 1], [[0.5, 0.5], [np.nan, 0.5]]),
        ("SFT604", one_label, [0, 2], [[0.5, 0.5], [0.5, 0.5]]),
        ("SFT604", one_label, [0, -1], [[0.5, 0.5], [0.5, 0.5]]),
        ("SFT604", many_labels, [[0, 1], [0, 2]], [[0.5, 0.5], [0.5, 0.5]]),
        ("SFT605", one_label, [0, 1], [[0.5, 0.5], [2.0, -1.0]]),
        ("SFT605", one_label, [0, 1], [[0.5, 0.5], [0.9, 0.9]]),
        ("SFT605", many_labels, [[0, 1], [0, 1]], [[0.5, 0.5], [0.5, 3.0]]),
    ],
)
def test_probabilities_that_cannot_be_evaluated_are_a_coded_error(code, make, truth, answers):
    with pytest.raises(SFTError) as caught:
        make(AB, truth, answers)
    assert caught.value.code == code


def test_the_error_names_the_place_of_the_row():
    with pytest.raises(SFTError, match=r"reviews\.csv line 3"):
        one_label(AB, [0, 1], [[0.5, 0.5], [np.nan, 0.5]])


def test_texts_must_be_as_many_as_predictions():
    with pytest.raises(SFTError, match="texts"):
        one_label(AB, [0, 1], [[0.5, 0.5], [0.5, 0.5]], texts=["only one"])


def test_a_label_is_given_from_its_own_threshold_on():
    evaluated = many_labels(AB, [[1, 1]], [[0.25, 0.5]], thresholds=np.array([0.25, 0.75]))
    assert evaluated.given.tolist() == [[True, False]]
