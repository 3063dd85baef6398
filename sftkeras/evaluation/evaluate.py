"""Evaluates a model on the test part: its predictions beside the truth, and those of baselines.

Imports no TensorFlow: a model is a function that predicts, such as an exported version in a process of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from sftkeras.config import ReportConfig
from sftkeras.console import progress_bar
from sftkeras.evaluation.baselines import UNTUNED, Baseline, Baselines, ReadTexts
from sftkeras.evaluation.contract import Evaluation, Predict, Predictions
from sftkeras.plurals import counted

if TYPE_CHECKING:
    from sftkeras.data import LabelledData
    from sftkeras.exporting.prediction_process import PredictionProcess

_SAMPLES = 20


def predictor_of(process: PredictionProcess, batch_size: int) -> Predict:
    """Gives the function by which the exported version in a process predicts."""
    takes_pairs = "pair" in process.signatures["serving_default"]["inputs"]

    def predict(
        texts: Sequence[str],
        pairs: Sequence[str] | None,
        outputs: Sequence[str],
        progress: Callable[[float], object],
    ) -> Predictions:
        second = pairs if takes_pairs else None
        return process.predict(texts, second, batch_size=batch_size, outputs=outputs, progress=progress)

    return predict


def evaluate(evaluation: Evaluation, predict: Predict, data: LabelledData, *, doing: str = "Evaluating") -> Any:
    """Predicts the test rows of `data`, and puts the predictions beside the truth.

    Args:
        evaluation: of the task.
        predict: the model.
        data: its "test" part is evaluated.
        doing: shown beside the progress.

    Returns:
        What `evaluation.evaluated` gives: the `EvaluatedRows` of the task.
    """
    rows, examples = data.splits["test"], data.examples
    texts, pairs = examples.texts(rows), examples.pairs(rows)
    with progress_bar() as display:
        total = len(texts) * (1 + evaluation.texts_apart)
        bar = display.add_task(doing, total=total, note=counted(len(texts), "text"))
        advance = partial(display.advance, bar)
        predictions = predict(texts, pairs, evaluation.outputs, advance)
        if evaluation.texts_apart and pairs is not None:
            second = predict(pairs, None, evaluation.outputs, advance)
            predictions = {name: np.stack([array, second[name]], axis=1) for name, array in predictions.items()}
        predictions |= evaluation.further_predictions(predict)
    facts = {"texts": texts, "pairs": pairs, "places": examples.places(rows)}
    evaluated = evaluation.evaluated(facts, examples.labels[rows], predictions, data.label_names)
    training_rows = len(data.splits["train"])
    return evaluation.with_training(evaluated, _training_texts(data), training_rows) if training_rows else evaluated


def untuned_baseline(evaluation: Evaluation, predict: Predict, data: LabelledData) -> Baseline:
    """Evaluates the pretrained model before it learns anything."""
    return known_baseline(UNTUNED, evaluation.untuned, evaluation, predict, data)


def known_baseline(key: str, name: str, evaluation: Evaluation, predict: Predict, data: LabelledData) -> Baseline:
    """Evaluates a model that is there before training: `key` and `name` are those of a `Baseline`."""
    began = time.perf_counter()
    evaluated = evaluate(evaluation, predict, data, doing=f"Evaluating {name}")
    return Baseline(key, name, evaluated, 0, time.perf_counter() - began)


def baselines_for(
    evaluation: Evaluation, evaluated: Any, data: LabelledData, options: ReportConfig, seed: int, *further: Baseline
) -> Baselines:
    """Fits the baselines on the training rows of `data`, if the options want them and there are training rows.

    `further` ones, which are known already, come after them.
    """
    rows = data.splits["train"]
    if not options.baselines or not len(rows):
        return Baselines()
    found = evaluation.baselines(_training_texts(data), data.examples.labels[rows], evaluated, seed)
    return Baselines((*found.fitted, *further), found.left_out)


def _training_texts(data: LabelledData) -> ReadTexts:
    rows = data.splits["train"]

    def read(positions: np.ndarray) -> tuple[Sequence[str], Sequence[str] | None]:
        return data.examples.texts(rows[positions]), data.examples.pairs(rows[positions])

    return read


def samples(evaluated: Any) -> list[tuple[str, str, str]]:
    """Gives text, truth and prediction of a few rows, evenly spread."""
    return [(evaluated.texts[row], *evaluated.in_words(row)) for row in evaluated.spread_rows(_SAMPLES)]
