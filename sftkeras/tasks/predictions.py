"""Named answers, one array each, to one plain record a text: what people and programs read. Imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sftkeras.tasks.masked_lm.predictions import HIDDEN, has_masks, masks_of, perplexity_of
from sftkeras.tasks.padding import Outputs
from sftkeras.tasks.tagging.predictions import has_spans, spans_of

# What records of answers have, of all tasks.
KEYS = frozenset({"label", "probability", "probabilities", "labels", "value", "vector", "entities", "masks"})
KEYS |= {"perplexity", "hidden", "answer", "score", "start", "end", "no_answer"}


def records(answers: Outputs) -> Iterator[dict[str, Any]]:
    """Yields each text's answer as JSON values.

    `probabilities` become {class: probability}; where several labels may hold, `labels` lists them. Spans become a list
    of `entities`, each {label, score, start, end, text}. Masks become lists of {token, probability} in `masks`; for a
    text without any, these are of the words hidden in it, `hidden`, and `perplexity` says how likely they were. An
    answer out of a context stays as it is.
    """
    plain = {name: array.tolist() for name, array in answers.items()}
    to_record = _entities if has_spans(answers) else _masks if has_masks(answers) else _record
    for row in (dict(zip(plain, values, strict=True)) for values in zip(*plain.values(), strict=True)):
        yield to_record(row)


def _entities(row: dict[str, Any]) -> dict[str, Any]:
    return {"entities": spans_of(row)}


def _masks(row: dict[str, Any]) -> dict[str, Any]:
    perplexity = perplexity_of(row)
    judged = {} if perplexity is None else {"perplexity": perplexity, "hidden": [it for it in row[HIDDEN] if it]}
    return judged | {"masks": masks_of(row)}


def _record(row: dict[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = {name: row[name] for name in ("label", "probability", "value") if name in row}
    if "selected" in row:
        record["labels"] = [name for name, selected in zip(row["classes"], row["selected"], strict=True) if selected]
    if "probabilities" in row:
        record["probabilities"] = dict(zip(row["classes"], row["probabilities"], strict=True))
    record |= {name: row[name] for name in ("answer", "score", "start", "end") if name in row}
    known = {*record, "selected", "classes", "probabilities"}
    return record | {name: value for name, value in row.items() if name not in known}
