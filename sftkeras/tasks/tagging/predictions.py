"""Predictions of tagging: rows of entities, padded to one width for a server. Imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from sftkeras.tasks.predictions import Predictions, Record, printable

if TYPE_CHECKING:
    from rich.text import Text

_PADDING = -1  # as `start`
_PARTS = {"label": str, "score": float, "start": int, "end": int, "text": str}


class TaggingPredictions(Predictions):
    """`entities`, each with `label`, `score`, `start`, `end` and `text`."""

    outputs: ClassVar = {"start": 2, "end": 2}
    lists = True
    keys = ("entities",)
    list_types: ClassVar = {"entities": [_PARTS]}

    def record(self, row: Mapping[str, Any]) -> Record:
        """Makes an entity of each place but the padding, of as much as the outputs have of it."""
        names = [name for name in _PARTS if name in row]
        entities = (dict(zip(names, values, strict=True)) for values in zip(*(row[it] for it in names), strict=True))
        return {"entities": [entity for entity in entities if entity["start"] != _PADDING]}

    def line(self, record: Record) -> Text:
        """Marks the entities in the text, with the label after each."""
        from rich.text import Text

        line, end = Text(), 0
        for entity in record["entities"]:
            line.append(printable(record["text"][end : entity["start"]]))
            line.append(printable(entity["text"]), "bold underline")
            line.append(f" {entity['label']} {entity['score']:.2f}", "green")
            end = entity["end"]
        return line.append(printable(record["text"][end:]))

    def labels(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Reads `label` [rows, entities], without the padding."""
        if "label" not in outputs or outputs["label"].ndim != 2:
            return None
        labels = outputs["label"].ravel()
        return labels[(labels != b"") & (labels != "")]

    def meaning(self, task: Mapping[str, Any]) -> str:
        """Lists the labels and explains the places."""
        labels = ", ".join(f"`{name}`" for name in task["label_names"])
        return (
            f"The entities in a text, each with one of the labels {labels}: `start` and `end` count characters (code "
            "points) of the text as it was sent, the end exclusive. `score` is the probability that a word is of such "
            'an entity, averaged over its words. Rows with fewer entities than others are padded: `label` "", '
            "`start` -1."
        )

    def limit(self, max_length: int | None) -> str:
        """Nothing is cut off."""
        return f"Texts of more than {max_length} tokens are read in windows that overlap"


PREDICTIONS = TaggingPredictions()
