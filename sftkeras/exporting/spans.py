"""Spans in answers: rows of them are filled up to one width for a server, and stripped of the filling for people.

Knows the names of outputs alone, so that it works on what any server answers. Imports no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

START, END = "start", "end"  # outputs that hold characters' places; a place of -1 is filling
FILLING = -1


def has_spans(answers: Mapping[str, np.ndarray]) -> bool:
    """Whether each row of these answers is a list of spans."""
    return START in answers and END in answers and answers[START].ndim == 2


def joined(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Puts the answers to several batches one after another; rows of spans are filled up to the widest.

    Raises:
        ValueError: rows of other answers differ in shape.
    """
    if len(parts) == 1:
        return dict(parts[0])
    width = max((part[START].shape[1] for part in parts if has_spans(part)), default=0)
    return {name: np.concatenate([widened(part, width)[name] for part in parts]) for name in parts[0]}


def widened(answers: Mapping[str, np.ndarray], width: int) -> dict[str, np.ndarray]:
    """Fills rows of spans up to `width`; leaves other answers as they are."""
    if not has_spans(answers):
        return dict(answers)
    missing = max(width - answers[START].shape[1], 0)
    return {name: _filled(array, missing) if array.ndim == 2 else array for name, array in answers.items()}


def _filled(array: np.ndarray, missing: int) -> np.ndarray:
    if array.dtype == object:  # bytes, as a server sends them
        filling = np.full((len(array), missing), b"", object)
    else:
        filling = np.full((len(array), missing), FILLING if array.dtype.kind == "i" else 0 if array.dtype.kind == "f"
                          else "", array.dtype)  # fmt: skip
    return np.concatenate([array, filling], axis=1)


def spans_of(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The spans of one row of plain answers, each {label, score, start, end, text} as far as it has them."""
    names = [name for name in ("label", "score", START, END, "text") if name in row]
    rows = (dict(zip(names, values, strict=True)) for values in zip(*(row[name] for name in names), strict=True))
    return [span for span in rows if span[START] != FILLING]
