"""Confidence intervals by resampling rows, and whether one model is better than another by more than chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sftkeras.evaluation.statistics.metrics import Tally

Interval = tuple[float, float]

CONFIDENCE = 0.95
# Row weights of one block of resamplings: 2 million numbers are 16 MB.
BLOCK = 2_000_000


def resample(tallies: Sequence[Tally], resamples: int, seed: int) -> list[dict[str, np.ndarray]]:
    """Computes the figures of each tally on the same resampled rows.

    Rows are drawn with replacement. All tallies see the same draws, so differences between models are paired.

    Args:
        tallies: one for each model, over the same rows.
        resamples: how often to draw.
        seed: decides the draws.

    Returns:
        For each tally, each figure's values, `[resamples]` float64.
    """
    rows = tallies[0].rows.shape[0]
    facts = [tally.rows.T.tocsr() for tally in tallies]  # [facts, rows]
    random = np.random.default_rng(seed)
    block = max(1, BLOCK // rows)
    sums: list[list[np.ndarray]] = [[] for _ in tallies]
    for start in range(0, resamples, block):
        weights = _draw(random, rows, min(block, resamples - start))
        for collected, matrix in zip(sums, facts, strict=True):
            collected.append((matrix @ weights).T)
    return [tally.figures(np.concatenate(parts)) for tally, parts in zip(tallies, sums, strict=True)]


def _draw(random: np.random.Generator, rows: int, resamples: int) -> np.ndarray:
    """`[rows, resamples]` float64: how often each row was drawn."""
    drawn = random.integers(rows, size=(rows, resamples)) * resamples + np.arange(resamples)
    return np.bincount(drawn.ravel(), minlength=rows * resamples).reshape(rows, resamples).astype(np.float64)


def interval(values: np.ndarray) -> Interval | None:
    """The middle 95% of resampled figures; None if none of them is defined."""
    known = values[np.isfinite(values)]
    if not known.size:
        return None
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)


def share_interval(values: np.ndarray, share: float, rows: int) -> Interval | None:
    """As `interval`, for a share of rows: where all or none are right, resampling sees no doubt, so the exact
    (Clopper-Pearson) bound is taken."""
    bound = ((1 - CONFIDENCE) / 2) ** (1 / rows)
    if share == 1:
        return bound, 1.0
    if share == 0:
        return 0.0, 1 - bound
    return interval(values)


def mcnemar(right: np.ndarray, other_right: np.ndarray) -> float:
    """Exact McNemar test of two models on the same rows.

    Args:
        right: `[rows]` bool, where the first is right.
        other_right: `[rows]` bool, where the second is right.

    Returns:
        The chance of rows at least as one-sided as these if both were equally good.
    """
    from scipy.stats import binomtest

    only_first, only_second = int((right & ~other_right).sum()), int((~right & other_right).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second).pvalue)
