"""Calibration of probabilities: reliability bins and the expected calibration error."""

from __future__ import annotations

from typing import Any

import numpy as np

# Guo et al. 2017, On Calibration of Modern Neural Networks, use 15 bins of equal width.
BINS = 15


def reliability(probabilities: np.ndarray, right: np.ndarray, bins: int = BINS) -> dict[str, Any]:
    """Sorts probabilities into bins of equal width and compares them with the share that was right.

    Args:
        probabilities: `[n]` float in 0…1.
        right: `[n]` bool, whether what the probability speaks of is true.
        bins: how many bins.

    Returns:
        `edges` `[bins + 1]`, and for each bin `count`, `probability` (mean) and `right` (share); the last two are None
        in an empty bin.
    """
    # The last bin includes 1; a probability on an edge belongs to the bin above it.
    number = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    count = np.bincount(number, minlength=bins)
    probability = np.bincount(number, weights=probabilities, minlength=bins)
    hits = np.bincount(number, weights=right, minlength=bins)
    return {
        "edges": np.linspace(0, 1, bins + 1).tolist(),
        "count": count.tolist(),
        "probability": [float(total / n) if n else None for total, n in zip(probability, count, strict=True)],
        "right": [float(total / n) if n else None for total, n in zip(hits, count, strict=True)],
    }


def expected_calibration_error(curve: dict[str, Any]) -> float:
    """Mean gap between probability and share right, over the bins of `reliability`, weighted by their counts."""
    columns = zip(curve["count"], curve["probability"], curve["right"], strict=True)
    gaps = [count * abs(probability - right) for count, probability, right in columns if count]
    return float(sum(gaps) / sum(curve["count"]))
