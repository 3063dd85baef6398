"""The artefact is what is evaluated: an exported version answers labelled rows, and the report is made of its answers.

Imports no TensorFlow: the answers come from a fresh process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from sftkeras.config import ReportConfig
from sftkeras.console import progress_bar
from sftkeras.evaluation import KINDS, Baselines, kind_of
from sftkeras.evaluation.baselines import Baseline
from sftkeras.plurals import counted

if TYPE_CHECKING:
    from sftkeras.data import LabelledData
    from sftkeras.exporting.prediction_process import PredictionProcess

_MOST_CURVES = 20  # labels drawn in TensorBoard
_SAMPLES = 20
_EVALUATED_AS = {"similarity": "similarity", "masked_lm": "masked_words"}  # others are as their labels are

Ask = Callable[[Sequence[str], Sequence[str] | None, Sequence[str], Callable[[int], object]], dict[str, np.ndarray]]
"""(texts, second texts, wanted outputs, progress) → named predictions, one row a text."""


def evaluate_version(process: PredictionProcess, data: LabelledData, task: dict[str, Any], *, batch_size: int) -> Any:
    """Lets the version that `process` has loaded answer the test rows.

    Args:
        process: has the version loaded.
        data: its "test" part is evaluated.
        task: the task's settings, as the version's contract has them.
        batch_size: texts answered at once.
    """
    takes_pairs = "pair" in process.signatures["serving_default"]["inputs"]

    def ask(
        texts: Sequence[str],
        pairs: Sequence[str] | None,
        outputs: Sequence[str],
        progress: Callable[[int], object],
    ) -> dict[str, np.ndarray]:
        second = pairs if takes_pairs else None
        return process.predict(texts, second, batch_size=batch_size, outputs=outputs, progress=progress)

    return evaluate_predictions(ask, data, task)


def evaluate_predictions(ask: Ask, data: LabelledData, task: dict[str, Any], *, doing: str = "Evaluating") -> Any:
    """Lets `ask` answer the test rows of `data`; `doing` is what is said meanwhile."""
    rows = data.splits["test"]
    examples = data.examples
    texts, pairs = examples.texts(rows), examples.pairs(rows)
    kind = KINDS[_EVALUATED_AS.get(task["kind"], data.label_kind.name)]
    with progress_bar() as display:
        bar = display.add_task(doing, total=len(texts) * (1 + kind.texts_apart), note=counted(len(texts), "text"))
        advance = partial(display.advance, bar)
        answers = ask(texts, pairs, kind.outputs, advance)
        if kind.texts_apart and pairs is not None:
            second = ask(pairs, None, kind.outputs, advance)
            answers = {name: np.stack([array, second[name]], axis=1) for name, array in answers.items()}
    facts = {"texts": texts, "pairs": pairs, "places": examples.places(rows)}
    return kind.evaluated(facts, examples.labels[rows], answers, task, data.label_names)


def evaluate_untuned(ask: Ask, data: LabelledData, task: dict[str, Any]) -> Baseline:
    """What the pretrained encoder answers, by `ask`, before it learns anything."""
    began = time.perf_counter()
    evaluated = evaluate_predictions(ask, data, task, doing="Evaluating the untuned encoder")
    return Baseline("untuned", "the untuned encoder", evaluated, 0, time.perf_counter() - began)


def baselines_for(
    evaluated: Any, data: LabelledData, options: ReportConfig, seed: int, *further: Baseline
) -> Baselines:
    """Fits the baselines on the training rows of `data`, if the options ask for them and there are training rows.

    `further` ones, which are known already, come after them.
    """
    rows = data.splits["train"]
    if not options.baselines or not len(rows):
        return Baselines()

    def read(positions: np.ndarray) -> tuple[Sequence[str], Sequence[str] | None]:
        return data.examples.texts(rows[positions]), data.examples.pairs(rows[positions])

    found = kind_of(evaluated).baselines(read, data.examples.labels[rows], evaluated, seed)
    return Baselines((*found.fitted, *further), found.left_out)


def curves(evaluated: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For each of the first labels, its truth [rows] bool and its probability [rows] float32; nothing for others."""
    if evaluated.kind not in ("class", "classes"):
        return {}
    truth = evaluated.truth
    is_label = truth.astype(bool) if truth.ndim == 2 else truth[:, np.newaxis] == np.arange(len(evaluated.label_names))
    return {
        name: (is_label[:, number], evaluated.answers[:, number])
        for number, name in enumerate(evaluated.label_names[:_MOST_CURVES])
    }


def samples(evaluated: Any) -> list[tuple[str, str, str]]:
    """Text, truth and answer of a few rows, evenly spread."""
    rows = np.unique(np.linspace(0, len(evaluated) - 1, min(_SAMPLES, len(evaluated)), dtype=int))

    return [(evaluated.texts[row], *evaluated.in_words(row)) for row in rows]
