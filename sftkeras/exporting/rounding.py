"""An export whose weights are rounded, and the rows on which it must decide as the exact model does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from sftkeras.backbones.dense.rounded_weights import RoundedPrecision, RoundedWeights
from sftkeras.errors import SFTError
from sftkeras.exporting.agreement import Agreement
from sftkeras.exporting.in_memory import predictor
from sftkeras.exporting.prediction_process import PredictionProcess
from sftkeras.tasks import TextModel
from sftkeras.tasks.masked_lm.vocabulary_head import VocabularyHead
from sftkeras.tasks.predictions import Outputs, Predictions, predictions_of, ranks_of, records

_BATCH_SIZE = 32
_NEAR = 0.05  # of their spread: numbers alone, which decide nothing, are equal within it


@dataclass(frozen=True)
class Rounding:
    """The settings of a rounded export.

    Attributes:
        precision: in which its weights are kept.
        part: of the data that the rows are of, "test" or "validation".
        texts: of the rows on which it is compared with the exact model.
        pairs: the second texts of these rows, if they have some.
        least_equal: share of them that must be equal.
    """

    precision: RoundedPrecision
    part: str
    texts: Sequence[str]
    pairs: Sequence[str] | None
    least_equal: float


@dataclass(frozen=True)
class Rounded:
    """A model whose weights are rounded.

    Attributes:
        rounding: its settings.
        model: itself.
        exact: what it predicts for the rows without rounding.
        weights: in use in place of its own.
    """

    rounding: Rounding
    model: TextModel
    exact: Outputs
    weights: RoundedWeights

    def check(self, process: PredictionProcess) -> Agreement:
        """Compares the export that a process has loaded with the exact model.

        Raises:
            SFTError: SFT520 if too few predictions are equal.
        """
        rounding = self.rounding
        found = process.predict(rounding.texts, _second(self.model, rounding), batch_size=_BATCH_SIZE)
        predictions = predictions_of(ranks_of(self.exact), self.model.task.kind)
        agreement = Agreement(rounding.part, len(rounding.texts), *compare(self.exact, found, predictions))
        if agreement.equal < rounding.least_equal:
            least = f"{rounding.least_equal:.2%}"
            raise SFTError("SFT520", precision=rounding.precision, figures=agreement.describe(), least=least)
        return agreement


@contextmanager
def rounded_weights(text_model: TextModel, rounding: Rounding) -> Iterator[Rounded]:
    """Rounds the weights of a model inside the block.

    Raises:
        SFTError: SFT521 if the model is a decoder, or a TF-Hub module, whose products are not ours.
    """
    backbone = text_model.backbone
    assert backbone  # all but a restored one may lack it
    if backbone.kind == "decoder" or backbone.is_module:
        what = "a decoder" if backbone.kind == "decoder" else "a TF-Hub module that was trained as it is"
        raise SFTError("SFT521", precision=rounding.precision, what=what)
    exact = predictor(text_model, _BATCH_SIZE)(rounding.texts, _second(text_model, rounding), None, lambda rows: None)
    # A table that a head reads too would have to be kept twice.
    table = None if VocabularyHead.of(text_model.network) else backbone.token_embedding
    weights = RoundedWeights(rounding.precision)
    with weights.in_use(table):
        text_model(*(tf.constant([""]) for _ in range(1 + text_model.features.pairs)))  # makes them
        yield Rounded(rounding, text_model, exact, weights)


def _second(text_model: TextModel, rounding: Rounding) -> Sequence[str] | None:
    return rounding.pairs if text_model.features.pairs else None


def compare(exact: Outputs, found: Outputs, predictions: Predictions) -> tuple[float, float]:
    """Return the share of rows whose predictions are equal, and the largest difference of a number."""
    rows = list(zip(records(exact, predictions), records(found, predictions), strict=True))
    if not rows:
        return 1.0, 0.0
    differences = [list(_differences(one, other)) for one, other in rows]
    decided = [(predictions.decided(one), predictions.decided(other)) for one, other in rows]
    if any(_decides(one) for one, _ in decided):
        equal = np.array([one == other for one, other in decided])
    else:
        distances = np.array([np.linalg.norm(row) for row in differences])
        equal = distances <= _NEAR * _spread([one for one, _ in rows])
    return float(np.mean(equal)), max((abs(number) for row in differences for number in row), default=0.0)


def _differences(one: Any, other: Any) -> Iterator[float]:
    """Yields the differences of the numbers that two predictions share."""
    if isinstance(one, float) and isinstance(other, float):
        yield one - other
    elif isinstance(one, dict) and isinstance(other, dict):
        for name in one.keys() & other.keys():
            yield from _differences(one[name], other[name])
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for first, second in zip(one, other, strict=True):
            yield from _differences(first, second)


def _numbers(prediction: Any) -> Iterator[float]:
    """Yields the numbers of a prediction."""
    if isinstance(prediction, float):
        yield prediction
    elif isinstance(prediction, dict | list):
        for part in prediction.values() if isinstance(prediction, dict) else prediction:
            yield from _numbers(part)


def _decides(decided: Any) -> bool:
    """Whether there is more in a prediction than numbers."""
    if isinstance(decided, dict):
        return any(map(_decides, decided.values()))
    return any(map(_decides, decided)) if isinstance(decided, list) else decided is not None


def _spread(predictions: Sequence[Any]) -> float:
    """The mean distance of predictions, as vectors of their numbers, from their mean."""
    vectors = np.array([list(_numbers(one)) for one in predictions])
    return float(np.linalg.norm(vectors - vectors.mean(0), axis=1).mean())
