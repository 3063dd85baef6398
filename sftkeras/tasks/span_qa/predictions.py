"""Predictions of extractive question answering: a part of each context, or none. Imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from sftkeras.tasks.predictions import Predictions, Record, printable

if TYPE_CHECKING:
    from rich.text import Text


class SpanQAPredictions(Predictions):
    """`answer` with its `score`, `start` and `end` in the context, and the probability of `no_answer`."""

    outputs: ClassVar = {"answer": 1, "start": 1, "end": 1, "no_answer": 1}
    keys = ("answer", "score", "start", "end", "no_answer")

    def record(self, row: Mapping[str, Any]) -> Record:
        """The outputs as they are, the answer first."""
        return {name: row[name] for name in self.keys if name in row} | dict(row)

    def line(self, record: Record) -> Text:
        """The question, its answer, and the context with the answer marked."""
        from rich.text import Text

        context, start, end = record["pair"], max(record["start"], 0), max(record["end"], 0)
        return Text.assemble(
            (f"{printable(record['text'])}  ", "dim"),
            (printable(record["answer"]) or "no answer", "bold"),
            (f" {record['score']:.2f}  ", "green"),
            printable(context[:start]),
            (printable(context[start:end]), "bold underline"),
            printable(context[end:]),
        )

    def meaning(self, task: Mapping[str, Any]) -> str:
        """Explains the places, and when there is no answer."""
        threshold = task["no_answer_threshold"]
        none = "It always answers."
        if threshold is not None and threshold != 1:
            none = f'Where that is above {threshold:.3g}, `answer` is "" and `start` is -1.'
        return (
            "The part of a context (`pair`) that answers a question (`text`): `answer`, and its place `start` and "
            "`end`, which count characters (code points) of the context as it was sent, the end exclusive. `score` is "
            f"its probability, and `no_answer` the probability that the context has none. {none}"
        )

    def limit(self, max_length: int | None) -> str:
        """Nothing is cut off."""
        return f"Texts of more than {max_length} tokens are read in windows that overlap"

    def example(self, task: Mapping[str, Any]) -> dict[str, str]:
        """A question and a context."""
        return {"text": "Who made the film?", "pair": "The film was made by two friends from Lyon in 1962."}


PREDICTIONS = SpanQAPredictions()
