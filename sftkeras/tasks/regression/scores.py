"""Evaluated numbers: the numbers that a model gives texts, with the truth; and the figures of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sftkeras.errors import SFTError
from sftkeras.evaluation.evaluated import EvaluatedRows, check_finite, in_file
from sftkeras.evaluation.statistics.metrics import Tally, finite


@dataclass(frozen=True, eq=False)
class EvaluatedNumbers(EvaluatedRows):
    """Numbers, with the truth.

    Args:
        texts: the text of each row.
        pairs: the second text of each row, or None.
        places: file name and 1-based line of each row.
        truth: `[rows]` float.
        predictions: `[rows]` float.

    Raises:
        SFTError: SFT601 for shapes that do not fit, SFT602 for no rows, SFT603 for predictions that are not finite,
            SFT604 for a truth that is no number.
    """

    truth: np.ndarray
    predictions: np.ndarray

    def __post_init__(self) -> None:
        rows = (len(self.truth),)
        columns = {"texts": (len(self.texts),), "places": (len(self.places),)}
        if self.pairs is not None:
            columns["pairs"] = (len(self.pairs),)
        for name, found in {"truth": self.truth.shape, "predictions": self.predictions.shape, **columns}.items():
            if found != rows:
                raise SFTError("SFT601", what=name, found=found, expected=rows)
        super().__post_init__()
        check_finite(self.predictions, self.places)
        if not np.isfinite(self.truth).all():
            row = int(np.flatnonzero(~np.isfinite(self.truth))[0])
            raise SFTError("SFT604", place=in_file(self.places[row]), truth=self.truth[row])

    def in_words(self, row: int) -> tuple[str, str]:
        """Gives the true and the predicted number of a row, for people."""
        return f"{self.truth[row]:g}", f"{self.predictions[row]:g}"

    def with_predictions(self, predictions: np.ndarray) -> EvaluatedNumbers:
        """Returns the same rows with the numbers of another model."""
        return replace(self, predictions=predictions)


def tally_numbers(evaluated: EvaluatedNumbers) -> Tally:
    """Returns the additive facts of each row and what follows from their sums."""
    from scipy.sparse import csr_array

    rows = len(evaluated)
    truth, predictions = evaluated.truth.astype(np.float64), evaluated.predictions.astype(np.float64)
    errors = predictions - truth
    # Centred and scaled, so that sums of squares neither cancel nor overflow.
    centre, spread = (
        truth.mean(),
        max(np.abs(truth - truth.mean()).max(), np.abs(predictions - truth.mean()).max(), 1e-300),
    )
    truth, predictions = (truth - centre) / spread, (predictions - centre) / spread
    facts = [np.abs(errors), (errors / spread) ** 2, truth, predictions, truth**2, predictions**2, truth * predictions]

    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        absolute, squared, truth, predictions, truth2, predictions2, both = np.moveaxis(sums / rows, -1, 0)
        truth_variance, prediction_variance = _no_noise(truth2 - truth**2), _no_noise(predictions2 - predictions**2)
        with np.errstate(divide="ignore", invalid="ignore"):
            r2 = 1 - squared / truth_variance
            pearson = (both - truth * predictions) / np.sqrt(truth_variance * prediction_variance)
        return {"mae": absolute, "rmse": np.sqrt(squared) * spread, "r2": r2, "pearson": np.clip(pearson, -1, 1)}

    return Tally(csr_array(np.stack(facts, axis=1)), figures)


def _no_noise(variance: np.ndarray) -> np.ndarray:
    """Zero for a variance that is only rounding; values are scaled to at most one."""
    return np.where(variance < 1e-14, 0.0, variance)


def order_figures(evaluated: EvaluatedNumbers) -> dict[str, float | None]:
    """Computes the figures that are no function of sums over rows."""
    from scipy.stats import rankdata

    truth, predictions = rankdata(evaluated.truth), rankdata(evaluated.predictions)
    varies = np.ptp(truth) > 0 and np.ptp(predictions) > 0
    return {
        "spearman": finite(np.corrcoef(truth, predictions)[0, 1]) if varies else None,
        "median_absolute_error": finite(np.median(np.abs(evaluated.predictions.astype(np.float64) - evaluated.truth))),
    }
