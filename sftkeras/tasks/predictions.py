"""Forms of predictions, by the names of a model's outputs: the contract, and the tasks that fulfil it.

A task describes its own in `sftkeras/tasks/KIND/predictions.py`, as `PREDICTIONS`; one without that file has those of
the first task whose outputs it gives. All of it works on named outputs alone, since a server may serve a model of which
no more is known, and a client has nothing but NumPy. Imports no TensorFlow.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from sftkeras.tasks import TASKS

if TYPE_CHECKING:
    from rich.text import Text

Outputs = dict[str, np.ndarray]
"""The named outputs of a model, one row a text."""

Record = dict[str, Any]
"""One text's prediction as JSON values."""

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Predictions:
    """Recognises, records, shows, compares and describes predictions. The defaults fit outputs of any names.

    Attributes:
        outputs: the outputs by which they are recognised, with their ranks; a rank of 1 is one value a text.
        lists: whether a row is a list, such as entities: then each batch is padded to its longest row.
        keys: what records have; a file's own columns of these names get others.
        optional_keys: those of `keys` that only some records have.
        list_types: those of `keys` that hold lists, which may all be empty, as `[str]` or `[{"score": float}]`.
        methods: TensorFlow Serving's classify or regress, if the outputs allow it: their names of outputs → ours.
    """

    outputs: ClassVar[Mapping[str, int]] = NOTHING
    lists: ClassVar[bool] = False
    keys: ClassVar[tuple[str, ...]] = ()
    optional_keys: ClassVar[tuple[str, ...]] = ()
    list_types: ClassVar[Mapping[str, list[Any]]] = NOTHING
    methods: ClassVar[Mapping[str, Mapping[str, str]]] = NOTHING

    def fits(self, ranks: Mapping[str, int]) -> bool:
        """Says whether outputs of these names and ranks are such predictions."""
        return bool(self.outputs) and self.outputs.items() <= ranks.items()

    # --- for people and programs ---

    def record(self, row: Mapping[str, Any]) -> Record:
        """Returns one row of outputs, as plain values, as the record that `predict` prints and writes."""
        return dict(row)

    def line(self, record: Record) -> Text:
        """Returns a record, its text included, as a line for the terminal. What is not to be wrapped says so."""
        line = self.shown(record)
        line.no_wrap, line.overflow = True, "ellipsis"
        return line.append("  " + " | ".join(printable(record[name]) for name in ("text", "pair") if name in record))

    def shown(self, record: Record) -> Text:
        """Returns what was predicted, without the text, for the terminal."""
        from rich.text import Text

        predicted = {name: value for name, value in record.items() if name not in ("text", "pair")}
        return Text(json.dumps(predicted, ensure_ascii=False, default=str), style="bold")

    def left_out(self, record: Record) -> bool:
        """Says whether a record shows that its text was too long for the model, and was not predicted for."""
        return False

    def whole_text(self, record: Record) -> str | None:
        """Returns the text that was generated for a record, if there is one and no limit cut it; else None."""
        return None

    def labels(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Returns the predicted labels of all rows, to be counted; None if these outputs, maybe not all, have none."""
        return None

    # --- for comparing two models ---

    def near_ties(self, outputs: Mapping[str, np.ndarray], tolerance: float) -> dict[str, np.ndarray]:
        """Returns where rounding may decide: for outputs of which this holds, an array of their shape, bool.

        Args:
            outputs: of one of the models.
            tolerance: how far rounding may take a probability.
        """
        return {}

    def decided(self, record: Record) -> Any:
        """Returns what two models that predict the same have alike in a record: all but its numbers, which are None."""
        return without_numbers(record)

    # --- for the model card; `task` is what `Task.settings` gave ---

    def title(self, task: Mapping[str, Any]) -> str:
        """Returns the kind of model, as in "A … model for texts"."""
        return str(task["kind"])

    def meaning(self, task: Mapping[str, Any]) -> str:
        """Returns what is predicted, by the names of the outputs."""
        return "Named outputs, one row a text."

    def limit(self, max_length: int | None) -> str:
        """Returns what is done to texts that are longer than the encoder reads."""
        if max_length is None:
            return "The encoder reads whole texts"
        return f"Texts are cut to {max_length} tokens, special tokens included"

    def example(self, task: Mapping[str, Any]) -> dict[str, str]:
        """Returns a text, and a second text for models of pairs, to show a call with."""
        return {"text": "A quiet film that stays with you.", "pair": "I would see this film again."}


@cache
def predictions_by_task() -> dict[str, Predictions]:
    """Returns the predictions of each task that describes its own, by the task's kind, in the order of `TASKS`."""
    homes = {kind: f"sftkeras.tasks.{kind}.predictions" for kind in TASKS}
    return {kind: import_module(home).PREDICTIONS for kind, home in homes.items() if find_spec(home)}


def predictions_of(ranks: Mapping[str, int], kind: str | None = None) -> Predictions:
    """Returns the predictions that outputs of these names and ranks are.

    Args:
        ranks: of the outputs, by name; none where they are not known.
        kind: of the task, where it is known: its own are preferred.
    """
    known = predictions_by_task()
    if kind in known and (not ranks or known[kind].fits(ranks)):
        return known[kind]
    return next((it for it in known.values() if it.fits(ranks)), Predictions())


def ranks_of(outputs: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Returns the rank of each output."""
    return {name: array.ndim for name, array in outputs.items()}


def records(outputs: Mapping[str, np.ndarray], predictions: Predictions | None = None) -> Iterator[Record]:
    """Yields each text's prediction as JSON values; without `predictions`, the names of the outputs say which."""
    predictions = predictions or predictions_of(ranks_of(outputs))
    plain = {name: array.tolist() for name, array in outputs.items()}
    for values in zip(*plain.values(), strict=True):
        yield predictions.record(dict(zip(plain, values, strict=True)))


def without_numbers(value: Any) -> Any:
    """Returns a value of a record with None in place of each fraction."""
    if isinstance(value, dict):
        return {name: without_numbers(one) for name, one in value.items()}
    if isinstance(value, list):
        return [without_numbers(one) for one in value]
    return None if isinstance(value, float) else value


def record_keys() -> set[str]:
    """Returns what records of any task may have."""
    return {key for predictions in predictions_by_task().values() for key in predictions.keys}


def labels_in(outputs: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Returns the labels among these outputs, maybe a part of all, that a task predicted; None if there are none."""
    found = (predictions.labels(outputs) for predictions in predictions_by_task().values())
    return next((labels for labels in found if labels is not None), None)


def printable(text: str) -> str:
    """Returns a text without what could steer the terminal."""
    return "".join(character if character.isprintable() else " " for character in text)
