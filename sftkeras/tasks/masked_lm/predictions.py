"""What stands at the masks of texts, in answers: lists of likely tokens, of which two that are equally likely may stand
either way.

Knows the names of outputs alone. Imports no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

TOKEN, PROBABILITY = "token", "probability"  # [texts, most masks of a text, guesses]
HIDDEN, LOSS = "hidden", "loss"  # [texts, most masks of a text]
MASKS = {TOKEN: 3, PROBABILITY: 3}  # the ranks by which answers are known to be lists of masks


def has_masks(answers: Mapping[str, np.ndarray]) -> bool:
    """Whether each row of these answers is a list of masks, each with a list of tokens."""
    return all(name in answers and answers[name].ndim == rank for name, rank in MASKS.items())


def masks_of(row: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    """The masks of one row of plain answers, each a list of tokens with their probability, the likeliest first."""
    masks = zip(row[TOKEN], row[PROBABILITY], strict=True)
    found = ([{TOKEN: t, PROBABILITY: p} for t, p in zip(*guesses, strict=True)] for guesses in masks)
    return [guesses for guesses in found if any(guess[TOKEN] for guess in guesses)]


def perplexity_of(row: Mapping[str, Any]) -> float | None:
    """How well the model knows such a text, by the words that were hidden in it; None if the text has masks itself."""
    losses = [loss for hidden, loss in zip(row[HIDDEN], row[LOSS], strict=True) if hidden]
    return float(np.exp(np.mean(losses))) if losses else None


def near_ties(probabilities: np.ndarray, tolerance: float) -> np.ndarray:
    """Where the order of tokens is within the tolerance, so that rounding may decide it.

    Args:
        probabilities: [texts, masks, guesses], falling.
        tolerance: how far rounding may take a probability.

    Returns:
        [texts, masks, guesses] bool. Of the last guess nobody knows how near the next would be.
    """
    near = -np.diff(probabilities, axis=-1) <= tolerance
    edge = np.zeros((*probabilities.shape[:-1], 1), bool)
    return np.concatenate([near, ~edge], -1) | np.concatenate([edge, near], -1)
