"""Losses of rows and of a plain text are those of the formula, whatever else is in the batch."""

from __future__ import annotations

import numpy as np
import pytest
from toy_language_model import BEGIN, END, LENGTH, logits_of, text_of, tokens_of, toy_model

from sftkeras.tasks.language_model import TokenScorer, padded
from sftkeras.tasks.memory_model import MemoryModel
from sftkeras.text.marks import learned

ROWS = [
    "where is it? " + learned("on its way."),
    "hello " + learned("hi, ") + "and when? " + learned("tomorrow"),
    "nothing is learned here",
    learned("a"),
    "why? " + learned("because."),
]


@pytest.fixture(scope="module")
def model():
    return toy_model()


def losses_of(model, tokens: list[int], flags: list[int]) -> tuple[float, int, int]:
    """By the formula: what the logits before each learned token say of it."""
    logits = logits_of(model, tokens).astype(np.float64)
    shares = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    places = [place for place in range(1, len(tokens)) if flags[place]]
    loss = -sum(shares[place - 1, tokens[place]] for place in places)
    return loss, len(places), sum(int(logits[place - 1].argmax() == tokens[place]) for place in places)


def test_losses_of_rows_are_those_of_the_formula(model):
    done = []
    found = TokenScorer(MemoryModel(model, text_of, (END,)), 2).of_rows(ROWS, done.append)
    wanted = np.array([losses_of(model, *tokens_of(row)) for row in ROWS])
    np.testing.assert_allclose(found.facts, wanted, rtol=1e-4)
    assert wanted[2].tolist() == wanted[3].tolist() == [0, 0, 0]  # nothing, or nothing before it
    assert done == [2, 2, 1]


def test_a_plain_text_is_read_in_windows(model):
    text = "the quick brown fox jumps over the lazy dog. " * 3
    found = TokenScorer(MemoryModel(model, text_of, (END,)), 2).of_text(text)
    ids = tokens_of(text)[0]
    size = LENGTH - 1  # beside the token that begins each window
    windows = [[BEGIN, *ids[first : first + size]] for first in range(0, len(ids), size)]
    wanted = np.array([losses_of(model, window, [1] * len(window)) for window in windows])
    np.testing.assert_allclose(found.facts, wanted, rtol=1e-4)
    assert found.tokens.sum() == len(text)


def test_rows_are_padded_behind():
    assert padded([np.array([1, 2, 3]), np.array([], int), np.array([4])]).tolist() == [[1, 2, 3], [0, 0, 0], [4, 0, 0]]
