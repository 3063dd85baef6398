"""Baseline of masked language modelling: predicts by the frequencies of tokens alone, on the same masks."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from sftkeras.evaluation.baselines import Baseline, Baselines
from sftkeras.tasks.masked_lm.scores import EvaluatedMasks


def fit_mask_baselines(training_rows: int, evaluated: EvaluatedMasks) -> Baselines:
    """Fits a baseline that predicts by the frequencies of tokens alone.

    Each token is as likely as it is among the other masked tokens of these very texts; what stands nowhere else shares
    what Witten and Bell (1991) leave for the unseen.
    """
    start = time.perf_counter()
    names, number, counts = np.unique(evaluated.hidden, return_inverse=True, return_counts=True)
    others, kinds = len(number) - 1, len(names) - 1
    unseen = (kinds / (others + kinds) if kinds else 1.0) / (evaluated.vocabulary - kinds)
    shares = np.where(counts > 1, (counts - 1) / (others + len(names)), unseen)[number]
    usual = names[np.argsort(-counts, kind="stable")[: evaluated.guesses.shape[1]]]
    predictions = replace(
        evaluated,
        losses=-np.log(shares),
        guesses=np.broadcast_to(usual, (len(number), len(usual))),
        confidence=np.full(len(number), counts.max() / len(number)),
    )
    seconds = time.perf_counter() - start
    return Baselines((Baseline("frequencies", "how frequent each token is", predictions, training_rows, seconds),))
