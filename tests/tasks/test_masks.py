"""Lists of masks in answers: filled up to one width, shown without the filling, compared without near ties."""

from __future__ import annotations

import numpy as np
import pytest

from sftkeras.tasks.masked_lm.predictions import PREDICTIONS
from sftkeras.tasks.padding import joined
from sftkeras.tasks.predictions import records

ASKED = {
    "token": np.array([[["film", "plot"], ["good", "bad"]]]),
    "probability": np.array([[[0.75, 0.25], [0.5, 0.25]]], np.float32),
    "hidden": np.array([["", ""]]),
    "loss": np.array([[0.0, 0.0]], np.float32),
}
JUDGED = {
    "token": np.array([[["the", "a"]], [["", ""]]]),
    "probability": np.array([[[0.5, 0.5]], [[0.0, 0.0]]], np.float32),
    "hidden": np.array([["a"], [""]]),
    "loss": np.array([[2.0], [0.0]], np.float32),
}
RECORDS = [
    {
        "masks": [
            [{"token": "film", "probability": 0.75}, {"token": "plot", "probability": 0.25}],
            [{"token": "good", "probability": 0.5}, {"token": "bad", "probability": 0.25}],
        ]
    },
    {
        "perplexity": pytest.approx(np.exp(2.0)),
        "hidden": ["a"],
        "masks": [[{"token": "the", "probability": 0.5}, {"token": "a", "probability": 0.5}]],
    },
    {"masks": []},
]


def as_sent(answers: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Strings as a server sends them."""
    return {
        name: np.vectorize(str.encode, otypes=[object])(array) if array.dtype.kind == "U" else array
        for name, array in answers.items()
    }


def test_people_see_no_filling_of_joined_batches() -> None:
    found = joined([ASKED, JUDGED])
    assert found["token"].shape == (3, 2, 2)
    assert found["probability"].dtype == np.float32
    assert list(records(found)) == RECORDS


def test_what_a_server_sends_is_joined_as_well() -> None:
    found = joined([as_sent(JUDGED), as_sent(ASKED)])
    assert found["token"][0].tolist() == [[b"the", b"a"], [b"", b""]]
    assert found["hidden"].tolist() == [[b"a", b""], [b"", b""], [b"", b""]]


def test_no_text_with_a_mask_is_no_trouble() -> None:
    none = {name: array[:, :0] for name, array in JUDGED.items()}
    assert list(records(none)) == [{"masks": []}, {"masks": []}]


def test_tokens_as_likely_as_their_neighbours_may_stand_either_way() -> None:
    probabilities = np.array([[[0.5, 0.49995, 0.2, 0.1, 0.05], [0.9, 0.05, 0.03, 0.01, 0.00995]]])
    ties = PREDICTIONS.near_ties({"probability": probabilities}, 1e-4)["token"]
    assert ties.tolist() == [[[True, True, False, False, True], [False, False, False, True, True]]]
