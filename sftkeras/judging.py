"""The artefact is what is judged: an exported version answers labelled rows, and the report is made of its answers.

Imports no TensorFlow: the answers come from a fresh process.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from sftkeras.config import ReportConfig
from sftkeras.console import progress_bar
from sftkeras.data import LabelledData
from sftkeras.evaluation import Baselines, Judged, fit_baselines
from sftkeras.exporting.fresh_process import FreshProcess

_MOST_CURVES = 20  # labels drawn in TensorBoard
_SAMPLES = 20


def judge(process: FreshProcess, data: LabelledData, task: dict[str, Any], *, batch_size: int) -> Judged:
    """Lets the version that `process` has loaded answer the test rows.

    Args:
        process: has the version loaded.
        data: its "test" part is judged.
        task: the task's settings, as the version's contract has them.
        batch_size: texts answered at once.
    """
    rows = data.splits["test"]
    examples = data.examples
    texts, pairs = examples.texts(rows), examples.pairs(rows)
    output = "value" if data.label_kind == "number" else "probabilities"
    with progress_bar() as display:
        bar = display.add_task("Judging", total=len(texts), note=f"{len(texts):,} texts")
        advance = partial(display.advance, bar)
        answers = process.answer(texts, pairs, batch_size=batch_size, outputs=[output], progress=advance)[output]
    thresholds = None
    if data.label_kind == "classes":
        thresholds = np.full(len(data.label_names), task["threshold"])
    truth = np.asarray(examples.labels[rows])
    return Judged(data.label_kind, data.label_names, texts, pairs, examples.places(rows), truth, answers, thresholds)


def baselines_for(judged: Judged, data: LabelledData, options: ReportConfig, seed: int) -> Baselines:
    """Fits the baselines on the training rows of `data`, if the options ask for them and there are training rows."""
    rows = data.splits["train"]
    if not options.baselines or not len(rows):
        return Baselines()

    def read(positions: np.ndarray) -> tuple[Sequence[str], Sequence[str] | None]:
        return data.examples.texts(rows[positions]), data.examples.pairs(rows[positions])

    return fit_baselines(read, np.asarray(data.examples.labels[rows]), judged, seed)


def curves(judged: Judged) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For each of the first labels, its truth [rows] bool and its probability [rows] float32; nothing for numbers."""
    if judged.kind == "number":
        return {}
    truth = judged.truth
    is_label = truth.astype(bool) if truth.ndim == 2 else truth[:, np.newaxis] == np.arange(len(judged.label_names))
    return {
        name: (is_label[:, number], judged.answers[:, number])
        for number, name in enumerate(judged.label_names[:_MOST_CURVES])
    }


def samples(judged: Judged) -> list[tuple[str, str, str]]:
    """Text, truth and answer of a few rows, evenly spread."""
    rows = np.unique(np.linspace(0, len(judged) - 1, min(_SAMPLES, len(judged)), dtype=int))

    def word(value: Any) -> str:
        if judged.kind == "number":
            return f"{value:g}"
        if judged.kind == "class":
            return judged.label_names[value]
        return ", ".join(judged.label_names[number] for number in np.flatnonzero(value)) or "none"

    given = judged.given
    return [(judged.texts[row], word(judged.truth[row]), word(given[row])) for row in rows]
