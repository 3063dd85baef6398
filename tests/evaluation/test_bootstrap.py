from __future__ import annotations

import numpy as np
import pytest
from evaluated_rows import evaluation_of, many_label_rows, number_rows, one_label_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sftkeras.evaluation.statistics.bootstrap import interval, mcnemar, resample, share_interval


def tally(evaluated):
    return evaluation_of(evaluated).tally(evaluated)


@settings(max_examples=25, deadline=None)
@given(
    make=st.sampled_from([one_label_rows, many_label_rows, number_rows]),
    rows=st.integers(2, 60),
    seed=st.integers(0, 1000),
)
def test_resampled_figures_stay_within_their_bounds(make, rows, seed):
    (drawn,) = resample([tally(make(rows=rows, seed=seed))], 50, seed)
    for name, values in drawn.items():
        assert values.shape == (50,)
        known = values[np.isfinite(values)]
        assert (known >= 0).all() or name in ("r2", "pearson")
        assert (known <= 1 + 1e-9).all() or name in ("mae", "rmse", "log_loss", "brier")


def test_resampled_accuracy_spreads_as_theory_says():
    evaluated = one_label_rows(rows=1000)
    accuracy = evaluation_of(evaluated).scores(evaluated).metrics["accuracy"]
    (drawn,) = resample([tally(evaluated)], 2000, 0)
    assert drawn["accuracy"].mean() == pytest.approx(accuracy, abs=0.002)
    assert drawn["accuracy"].std() == pytest.approx((accuracy * (1 - accuracy) / 1000) ** 0.5, rel=0.08)


def test_resampled_figures_are_those_of_the_drawn_rows():
    one_label = one_label_rows()
    # Every figure of a resampling is what the figure would be on the drawn rows, so one row drawn always is itself.
    rows = len(one_label)
    facts = tally(one_label)
    weights = np.zeros(rows)
    weights[:10] = rows / 10
    share = (one_label.given[:10] == one_label.truth[:10]).mean()
    assert facts.figures(facts.rows.T @ weights)["accuracy"] == pytest.approx(share)


def test_the_seed_decides_the_draws(evaluated):
    first, again, other = (resample([tally(evaluated)], 20, seed)[0] for seed in (1, 1, 2))
    name = next(iter(first))
    assert (first[name] == again[name]).all()
    assert (first[name] != other[name]).any()


def test_two_models_are_compared_on_the_same_draws(evaluated):
    first, second = resample([tally(evaluated), tally(evaluated)], 100, 0)
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name])


def test_blocks_of_draws_are_not_seen_in_the_result(monkeypatch, evaluated):
    monkeypatch.setattr("sftkeras.evaluation.statistics.bootstrap.BLOCK", 7 * len(evaluated))
    (drawn,) = resample([tally(evaluated)], 50, 0)
    assert all(len(values) == 50 for values in drawn.values())


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_an_interval_lies_within_its_values(values):
    low, high = interval(np.array(values))
    assert min(values) <= low <= high <= max(values)


def test_an_interval_of_nothing_is_none():
    assert interval(np.array([np.nan, np.inf])) is None


@pytest.mark.parametrize(("right", "rows"), [(20, 20), (0, 20), (1, 1)])
def test_all_or_none_right_leaves_the_doubt_of_few_rows(right, rows):
    exact = stats.binomtest(right, rows).proportion_ci(0.95, method="exact")
    found = share_interval(np.full(100, right / rows), right / rows, rows)
    assert found == pytest.approx((exact.low, exact.high))


def test_mcnemar_counts_only_rows_on_which_models_differ():
    right, other = np.array([True] * 9 + [False] + [True] * 50), np.array([False] * 9 + [True] + [True] * 50)
    assert mcnemar(right, other) == pytest.approx(stats.binomtest(9, 10).pvalue)
    assert mcnemar(right, right) == 1
