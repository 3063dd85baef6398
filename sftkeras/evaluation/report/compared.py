"""Two models on the same rows: what one gains over the other, by figures that are resampled in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sftkeras.evaluation.baselines import Baseline
from sftkeras.evaluation.contract import Evaluation
from sftkeras.evaluation.statistics.bootstrap import interval, resample
from sftkeras.evaluation.statistics.metrics import Scores


@dataclass(frozen=True, eq=False)
class BeforeAndAfter:
    """Test rows as a model predicted them before it learned more, and afterwards.

    Attributes:
        run: the run whose test part they are.
        earlier: whether that run came before, so that they may have been forgotten.
        before: the rows with the predictions of the earlier model.
        after: the same rows with those of the model that has learned more.
    """

    run: str
    earlier: bool
    before: Any
    after: Any


def comparison(
    evaluation: Evaluation,
    baseline: Baseline,
    evaluated: Any,
    scores: Scores,
    drawn: dict[str, np.ndarray],
    baseline_drawn: dict[str, np.ndarray],
) -> dict[str, Any]:
    """Return a baseline's figures and what the model gains over it: positive means that the model is better.

    `gain` is in the figure's own unit (0.064 of accuracy is 6.4 points). `more_than_noise` says whether its paired
    interval lies on one side of zero; None without resampling.
    """
    headline, metrics = evaluation.headline, evaluation.scores(baseline.evaluated).metrics
    sign = 1 if evaluation.metrics[headline].higher_is_better else -1
    gain_interval = interval(sign * (drawn[headline] - baseline_drawn[headline])) if drawn else None
    ours, theirs = scores.metrics[headline], metrics[headline]
    return {
        "name": baseline.name,
        "metrics": metrics,
        "interval": interval(baseline_drawn[headline]) if drawn else None,
        "gain": None if ours is None or theirs is None else sign * (ours - theirs),
        "gain_interval": gain_interval,
        "more_than_noise": None if gain_interval is None else gain_interval[0] > 0 or gain_interval[1] < 0,
        "training_rows": baseline.training_rows,
        "seconds": baseline.seconds,
        **evaluation.compared(evaluated, baseline.evaluated),
    }


def side_by_side(
    evaluation: Evaluation, parts: Sequence[BeforeAndAfter], resamples: int, seed: int
) -> list[dict[str, Any]]:
    """Return the figures of test parts before and after, those of earlier runs first.

    `gain` and what follows it are as in `comparison`.

    Args:
        evaluation: of the task.
        parts: the test parts.
        resamples: how often rows are drawn; 0 leaves out the intervals.
        seed: decides the draws.
    """
    return [_facts(evaluation, part, resamples, seed) for part in sorted(parts, key=lambda part: not part.earlier)]


def _facts(evaluation: Evaluation, part: BeforeAndAfter, resamples: int, seed: int) -> dict[str, Any]:
    headline, scores = evaluation.headline, evaluation.scores(part.after)
    tallies = [evaluation.tally(rows) for rows in (part.after, part.before)]
    after, before = resample(tallies, resamples, seed) if resamples else ({}, {})
    baseline = Baseline("before", part.run, part.before, 0, 0.0)
    found = comparison(evaluation, baseline, part.after, scores, after, before)
    return {
        "run": part.run,
        "earlier": part.earlier,
        "rows": len(part.after),
        "before": {"metrics": found["metrics"], "interval": found["interval"]},
        "after": {"metrics": scores.metrics, "interval": interval(after[headline]) if after else None},
        **{name: found[name] for name in ("gain", "gain_interval", "more_than_noise")},
    }
