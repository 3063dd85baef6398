"""Spans in answers, and other lists: rows of them are filled up to one width for a server, and stripped of the filling
for people.

Knows the names of outputs alone, so that it works on what any server answers. Imports no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sftkeras.exporting.masks import TOKEN, has_masks

START, END = "start", "end"  # outputs that hold characters' places; a place of -1 is filling
FILLING = -1


def has_spans(answers: Mapping[str, np.ndarray]) -> bool:
    """Whether each row of these answers is a list of spans."""
    return START in answers and END in answers and answers[START].ndim == 2


def joined(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Puts the answers to several batches one after another; rows of spans or masks are filled up to the widest.

    Raises:
        ValueError: rows of other answers differ in shape.
    """
    if len(parts) == 1:
        return dict(parts[0])
    width = max(map(width_of, parts))
    return {name: np.concatenate([widened(part, width)[name] for part in parts]) for name in parts[0]}


def width_of(answers: Mapping[str, np.ndarray]) -> int:
    """How many spans or masks each row has room for; 0 for other answers."""
    if has_spans(answers):
        return answers[START].shape[1]
    return answers[TOKEN].shape[1] if has_masks(answers) else 0


def widened(answers: Mapping[str, np.ndarray], width: int) -> dict[str, np.ndarray]:
    """Fills rows of spans or masks up to `width`; leaves other answers as they are."""
    if not has_spans(answers) and not has_masks(answers):
        return dict(answers)
    missing = max(width - width_of(answers), 0)
    return {name: _filled(array, missing) if array.ndim > 1 else array for name, array in answers.items()}


def _filled(array: np.ndarray, missing: int) -> np.ndarray:
    shape = (len(array), missing, *array.shape[2:])
    if array.dtype == object:  # bytes, as a server sends them
        filling = np.full(shape, b"", object)
    else:
        filling = np.full(shape, {"i": FILLING, "f": 0}.get(array.dtype.kind, ""), array.dtype)
    return np.concatenate([array, filling], axis=1)


def spans_of(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The spans of one row of plain answers, each {label, score, start, end, text} as far as it has them."""
    names = [name for name in ("label", "score", START, END, "text") if name in row]
    rows = (dict(zip(names, values, strict=True)) for values in zip(*(row[name] for name in names), strict=True))
    return [span for span in rows if span[START] != FILLING]
