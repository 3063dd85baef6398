"""A loaded model takes texts in any iterable, and refuses what is none."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from sftkeras.errors import SFTError
from sftkeras.prediction.predictor import Predictor, load


class Lengths:
    """Stands for a backend: its value is how long a text and its second text are."""

    name = "saved_models/lengths"
    closed = 0
    predictions = None

    def __init__(self, *, pairs: bool = False) -> None:
        self.pairs = pairs
        self.calls: list[Sequence[str]] = []

    def predict(self, texts: Sequence[str], pairs: Sequence[str] | None) -> dict[str, np.ndarray]:
        self.calls.append(texts)
        second = pairs or [""] * len(texts)
        return {"value": np.array([len(one) + len(two) for one, two in zip(texts, second, strict=True)], float)}

    def close(self) -> None:
        self.closed += 1


def predictor(**how: Any) -> tuple[Predictor, Lengths]:
    model = Lengths(**how)
    return Predictor(model), model  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "texts", [["a", "bcd"], ("a", "bcd"), np.array(["a", "bcd"]), np.array(["a", "bcd"], object), iter(["a", "bcd"])]
)
def test_any_iterable_of_texts_gets_a_record_each(texts: Any) -> None:
    one, _ = predictor()
    assert one.predict(texts) == [{"text": "a", "value": 1.0}, {"text": "bcd", "value": 3.0}]


def test_one_string_is_one_text() -> None:
    one, model = predictor()
    assert one("bcd") == [{"text": "bcd", "value": 3.0}]
    assert model.calls == [["bcd"]]


def test_no_text_is_no_record() -> None:
    one, model = predictor()
    assert one([]) == []
    assert model.calls == []


def test_pairs_go_with_their_texts() -> None:
    one, _ = predictor(pairs=True)
    of_a, of_b = one(["a", "b"], pairs=["c", "de"])
    assert (of_a, of_b) == ({"text": "a", "pair": "c", "value": 2.0}, {"text": "b", "pair": "de", "value": 3.0})
    assert one("a", "c") == [of_a]


@pytest.mark.parametrize(
    ("pairs", "given", "said"),
    [
        (True, (["a"],), "it takes two texts. Give the second ones as pairs."),
        (False, (["a"], ["b"]), "it takes one text. Leave out pairs."),
        (True, (["a", "b"], ["c"]), "2 texts have 1 second texts."),
        (False, (["a", float("nan")],), "text 2 is nan, not a string."),
        (True, (["a"], [None]), "second text 1 is None, not a string."),
        (False, ([["a"]],), "text 1 is ['a'], not a string."),
    ],
)
def test_what_cannot_be_predicted_is_named(pairs: bool, given: Any, said: str) -> None:
    one, model = predictor(pairs=pairs)
    with pytest.raises(SFTError) as raised:
        one.predict(*given)
    assert str(raised.value) == f"SFT126  saved_models/lengths: {said}"
    assert model.calls == []


def test_the_model_is_closed_once() -> None:
    one, model = predictor()
    with one as same:
        assert same is one
    one.close()
    assert model.closed == 1


def test_a_forgotten_model_is_closed() -> None:
    one, model = predictor()
    del one
    gc.collect()
    assert model.closed == 1


def test_a_folder_that_is_no_model_is_named() -> None:
    with pytest.raises(SFTError, match=r"SFT501 .*nowhere"):
        load("nowhere")
