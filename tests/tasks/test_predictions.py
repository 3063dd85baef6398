"""Predictions of every task are known by their outputs, recorded, counted and shown on a terminal."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from sftkeras.tasks import TASKS
from sftkeras.tasks.predictions import (
    Predictions,
    labels_in,
    predictions_by_task,
    predictions_of,
    record_keys,
    records,
)

# The outputs of two texts, by task.
OUTPUTS: dict[str, dict[str, np.ndarray]] = {
    "classification": {
        "classes": np.array([["bad", "good"]] * 2),
        "label": np.array(["good", "bad"]),
        "probabilities": np.array([[0.25, 0.75], [0.5, 0.5]], np.float32),
        "probability": np.array([0.75, 0.5], np.float32),
    },
    "regression": {"value": np.array([250_000.0, 0.5])},
    "tagging": {
        "label": np.array([["LOC", "PER"], ["LOC", ""]]),
        "score": np.array([[0.5, 0.25], [1.0, 0.0]], np.float32),
        "start": np.array([[0, 2], [0, -1]], np.int32),
        "end": np.array([[1, 3], [1, -1]], np.int32),
        "text": np.array([["a", "b"], ["a", ""]]),
    },
    "span_qa": {
        "answer": np.array(["c", ""]),
        "score": np.array([0.5, 0.75], np.float32),
        "start": np.array([0, -1], np.int32),
        "end": np.array([1, -1], np.int32),
        "no_answer": np.array([0.25, 0.75], np.float32),
    },
    "similarity": {"vector": np.array([[0.25, -0.5, 0.125, 1.0, 2.0]] * 2)},
    "masked_lm": {
        "token": np.array([[["film", "plot"]], [["the", "a"]]]),
        "probability": np.array([[[0.75, 0.25]], [[0.5, 0.25]]], np.float32),
        "hidden": np.array([[""], ["a"]]),
        "loss": np.array([[0.0], [np.log(4.0)]]),
    },
    "chat": {
        "text": np.array(["no\nidea", "c"]),
        "ended": np.array([True, False]),
        "prompt_tokens": np.array([3, 4], np.int32),
        "new_tokens": np.array([2, 1], np.int32),
    },
}
SHOWN: dict[str, list[str]] = {
    "classification": ["good ━━━━━━━━━━━━━━━━━━━━ 0.75  a b  c | c", "bad  ━━━━━━━━━━━━━━━━━━━━ 0.50  a b  c | c"],
    "regression": ["     250,000  a b  c | c", "         0.5  a b  c | c"],
    "tagging": ["a LOC 0.50 b PER 0.25  c", "a LOC 1.00 b  c"],
    "span_qa": ["a b  c  c 0.50  c", "a b  c  no answer 0.75  c"],
    "similarity": ["0.2500 -0.5000 0.1250 1.0000 … (5 numbers)  a b  c | c"] * 2,
    "masked_lm": ["film 0.75  plot 0.25  a b  c", "perplexity 4.0  a b  c"],
    "chat": ["a b c  no idea", "a b c  c …"],
}


def ranks(outputs: dict[str, np.ndarray]) -> dict[str, int]:
    return {name: array.ndim for name, array in outputs.items()}


def test_every_task_is_asked() -> None:
    assert OUTPUTS.keys() == SHOWN.keys() == set(TASKS) - {"causal_lm"}  # whose outputs are those of chat


@pytest.mark.parametrize("kind", OUTPUTS)
def test_a_task_is_known_by_the_names_and_ranks_of_its_outputs(kind: str) -> None:
    found = ranks(OUTPUTS[kind])
    assert predictions_of(found) is predictions_by_task()[kind]
    assert [it for it in predictions_by_task().values() if it.fits(found)] == [predictions_by_task()[kind]]


def test_a_task_without_predictions_of_its_own_has_those_of_its_outputs() -> None:
    assert predictions_of({"value": 1}, "ordinal") is predictions_by_task()["regression"]
    assert predictions_of({"value": 1}, "tagging") is predictions_by_task()["regression"]
    assert predictions_of({}, "tagging") is predictions_by_task()["tagging"]


def test_lists_are_padded_and_nothing_else_is() -> None:
    assert predictions_of({"label": 2, "start": 2, "end": 2}).lists
    assert predictions_of({"token": 3, "probability": 3, "hidden": 2}).lists
    assert not predictions_of({"answer": 1, "start": 1, "end": 1}).lists
    assert not predictions_of({"probabilities": 2}).lists


@pytest.mark.parametrize("kind", OUTPUTS)
def test_a_record_has_no_other_keys_than_its_task_says(kind: str) -> None:
    own = {key for record in records(OUTPUTS[kind]) for key in record}
    assert own <= set(predictions_by_task()[kind].keys) <= record_keys()


@pytest.mark.parametrize("kind", OUTPUTS)
def test_terminal_shows_a_record_on_a_line_without_control_characters(kind: str) -> None:
    predictions = predictions_by_task()[kind]
    text: dict[str, Any] = {"text": "a\nb\x1b\tc", "pair": "c"}
    output = io.StringIO()
    console = Console(file=output, width=80)
    for record in records(OUTPUTS[kind]):
        line = predictions.line(text | record)
        console.print(line, soft_wrap=not line.no_wrap)
    assert [line.rstrip() for line in output.getvalue().splitlines()] == SHOWN[kind]


def test_several_labels_are_drawn_among_all() -> None:
    outputs = {
        "selected": np.array([[False, True]]),
        "classes": np.array([["funny", "sad"]]),
        "probabilities": np.array([[0.1, 0.5]]),
    }
    (record,) = records(outputs)
    assert record == {"labels": ["sad"], "probabilities": {"funny": 0.1, "sad": 0.5}}
    shown = predictions_of(ranks(outputs)).line({"text": "a", **record}).plain
    assert shown == "funny 0.10  sad   ━━━━━━━━━━━━━━━━━━━━ 0.50  a"


def test_outputs_that_no_task_knows_are_recorded_by_their_names_and_shown_as_json() -> None:
    outputs = {"label": np.array(["x"]), "mood": np.array([[1, 2]])}
    assert list(records(outputs)) == [{"label": "x", "mood": [1, 2]}]
    assert Predictions().line({"text": "a", "mood": [1, 2]}).plain == '{"mood": [1, 2]}  a'


def test_labels_are_read_of_a_part_of_the_outputs_too() -> None:
    counted = {kind: labels_in({"label": it["label"]}) for kind, it in OUTPUTS.items() if "label" in it}
    assert {kind: labels.tolist() for kind, labels in counted.items() if labels is not None} == {
        "classification": ["good", "bad"],
        "tagging": ["LOC", "PER", "LOC"],
    }
    assert labels_in(OUTPUTS["regression"]) is None
