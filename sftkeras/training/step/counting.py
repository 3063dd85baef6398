"""The counts of metrics as tensors: a loop over parts of a batch carries them, and no metric changes on the way.

A step that fails half way has counted nothing, and can be done again.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

Counts = list[list[tf.Tensor]]  # of each metric, the values of its variables


def counts_so_far(metrics: Sequence[keras.metrics.Metric]) -> Counts:
    """Returns what the metrics have counted; on each replica, its own part."""
    return [[tf.identity(variable.value) for variable in metric.variables] for metric in metrics]


def count_rows(
    metrics: Sequence[keras.metrics.Metric], counts: Counts, truths: tf.Tensor, answers: tf.Tensor
) -> Counts:
    """Returns `counts` with these rows added; `truths` and `answers` are what the metrics take."""
    return [
        metric.stateless_update_state(so_far, truths, answers) for metric, so_far in zip(metrics, counts, strict=True)
    ]


def keep_counts(metrics: Sequence[keras.metrics.Metric], counts: Counts) -> None:
    """Makes `counts` what the metrics have counted."""
    for metric, values in zip(metrics, counts, strict=True):
        for variable, value in zip(metric.variables, values, strict=True):
            variable.assign(value)
