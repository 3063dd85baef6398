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
def test_answers_that_cannot_be_judged_are_a_coded_error(judge, code, kind, truth, answers):
    with pytest.raises(SFTError) as caught:
        judge(kind, () if kind == "number" else AB, truth, answers)
    assert caught.value.code == code


def test_the_error_names_the_place_of_the_row(judge):
    with pytest.raises(SFTError, match=r"reviews\.csv line 3"):
        judge("class", AB, [0, 1], [[0.5, 0.5], [np.nan, 0.5]])


def test_texts_must_be_as_many_as_answers(judge):
    with pytest.raises(SFTError, match="texts"):
        judge("class", AB, [0, 1], [[0.5, 0.5], [0.5, 0.5]], texts=["only one"])


def test_a_label_is_given_from_its_own_threshold_on(judge):
    judged = judge("classes", AB, [[1, 1]], [[0.25, 0.5]], thresholds=np.array([0.25, 0.75]))
    assert judged.given.tolist() == [[True, False]]
