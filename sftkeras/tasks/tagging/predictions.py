"""Spans in answers: rows of them are filled up to one width for a server, and stripped of the filling for people.

Knows the names of outputs alone, so that it works on what any server answers. Imports no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

START, END = "start", "end"  # outputs that hold characters' places; a place of -1 is filling
FILLING = -1
SPANS = {START: 2, END: 2}  # the ranks by which answers are known to be lists of spans


def has_spans(answers: Mapping[str, np.ndarray]) -> bool:
    """Whether each row of these answers is a list of spans."""
    return all(name in answers and answers[name].ndim == rank for name, rank in SPANS.items())


def spans_of(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The spans of one row of plain answers, each {label, score, start, end, text} as far as it has them."""
    names = [name for name in ("label", "score", START, END, "text") if name in row]
    rows = (dict(zip(names, values, strict=True)) for values in zip(*(row[name] for name in names), strict=True))
    return [span for span in rows if span[START] != FILLING]
