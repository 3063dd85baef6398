from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sftkeras.evaluation.statistics.calibration import BINS, expected_calibration_error, reliability

probabilities = arrays(np.float32, st.integers(1, 80), elements=st.floats(0, 1, width=32))


@given(probabilities, st.integers(0, 2**32 - 1))
def test_bins_hold_every_answer_once_and_the_error_is_a_share(values, seed):
    right = np.random.default_rng(seed).random(len(values)) < 0.5
    curve = reliability(values, right)
    assert sum(curve["count"]) == len(values)
    assert 0 <= expected_calibration_error(curve) <= 1
    for number, count in enumerate(curve["count"]):
        if count:
            assert curve["edges"][number] - 1e-6 <= curve["probability"][number] <= curve["edges"][number + 1] + 1e-6


@given(probabilities, st.integers(0, 2**32 - 1))
def test_the_error_is_at_least_the_gap_of_the_means(values, seed):
    right = np.random.default_rng(seed).random(len(values)) < 0.5
    gap = abs(values.mean(dtype=np.float64) - right.mean())
    assert expected_calibration_error(reliability(values, right)) >= gap - 1e-6


def test_probabilities_that_come_true_have_no_error():
    values = np.repeat([0.1, 0.5, 0.9], 10).astype(np.float32)
    right = np.concatenate([np.arange(10) < n for n in (1, 5, 9)])
    assert expected_calibration_error(reliability(values, right)) == pytest.approx(0, abs=1e-6)


def test_being_sure_and_always_wrong_is_the_largest_error():
    assert expected_calibration_error(reliability(np.ones(5), np.zeros(5, bool))) == 1


def test_certainty_belongs_to_the_last_bin():
    assert reliability(np.ones(3), np.ones(3, bool))["count"] == [0] * (BINS - 1) + [3]
