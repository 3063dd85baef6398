"""Predictions of classification: one label a text with its probability, or several. Imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from sftkeras.tasks.predictions import Predictions, Record

if TYPE_CHECKING:
    from rich.text import Text

_BAR = 20  # characters


class ClassificationPredictions(Predictions):
    """`label` and `probability`, or `labels` where several may hold; `probabilities` by class."""

    outputs: ClassVar = {"probabilities": 2, "classes": 2}
    keys = ("label", "probability", "labels", "probabilities")
    list_types: ClassVar = {"labels": [str]}
    methods: ClassVar = {"classify": {"scores": "probabilities", "classes": "classes"}}

    def record(self, row: Mapping[str, Any]) -> Record:
        """Zips classes and their probabilities; lists the labels that are selected."""
        record: Record = {name: row[name] for name in ("label", "probability") if name in row}
        if "selected" in row:
            record["labels"] = [name for name, chosen in zip(row["classes"], row["selected"], strict=True) if chosen]
        record["probabilities"] = dict(zip(row["classes"], row["probabilities"], strict=True))
        others = {*record, "selected", "classes"}
        return record | {name: value for name, value in row.items() if name not in others}

    def shown(self, record: Record) -> Text:
        """Draws a bar for the label, or for each of several."""
        from rich.text import Text

        probabilities: dict[str, float] = record["probabilities"]
        width = max(map(len, probabilities))
        if "label" in record:
            return _bar(record["label"], record["probability"], width)
        return Text("  ").join(
            _bar(name, share, width) if name in record["labels"] else Text(f"{name} {share:.2f}", style="dim")
            for name, share in probabilities.items()
        )

    def labels(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Reads `label` [rows], or `selected` [rows, classes] where several may hold."""
        if "label" in outputs and outputs["label"].ndim == 1:
            return outputs["label"]
        if outputs.keys() >= {"selected", "classes"} and outputs["selected"].shape == outputs["classes"].shape:
            return outputs["classes"][outputs["selected"].astype(bool)]
        return None

    def title(self, task: Mapping[str, Any]) -> str:
        """Says so where several labels may hold."""
        return f"multi-label {task['kind']}" if task.get("multi_label") else str(task["kind"])

    def meaning(self, task: Mapping[str, Any]) -> str:
        """Lists the labels."""
        labels = ", ".join(f"`{name}`" for name in task["label_names"])
        if task.get("multi_label"):
            reached = f"those whose probability reaches {task['threshold']:g}"
            return f"None, one or several of the labels {labels}: {reached}."
        return f"One of the labels {labels}, with the probability of each."


def _bar(label: str, probability: float, width: int) -> Text:
    from rich.text import Text

    full = round(probability * _BAR)
    return Text.assemble(
        (f"{label:<{width}}", "bold"), " ", ("━" * full, "green"), ("━" * (_BAR - full), "dim"), f" {probability:.2f}"
    )


PREDICTIONS = ClassificationPredictions()
