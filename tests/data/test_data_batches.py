"""The batch plan: every row once an epoch, in an order that seed, epoch and step alone decide, with little padding."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftkeras.data.batches import BatchPlan, length_histogram

plans = st.fixed_dictionaries(
    {
        "rows": st.integers(1, 700),
        "batch_size": st.integers(1, 9),
        "seed": st.integers(0, 2**32),
        "shuffle": st.booleans(),
        "group_by_length": st.booleans(),
    }
)


def make(rows: int, batch_size: int, seed: int, shuffle: bool = True, group_by_length: bool = True) -> BatchPlan:
    random = np.random.default_rng(rows)
    lengths = random.integers(1, 129, 2 * rows).astype(np.int32)
    chosen = np.sort(random.choice(2 * rows, rows, replace=False))
    return BatchPlan(lengths, chosen, batch_size, seed, shuffle, group_by_length)


@settings(max_examples=60)
@given(plans, st.integers(0, 3))
def test_every_row_comes_once_an_epoch_and_only_the_last_batch_is_smaller(plan_settings: dict, epoch: int) -> None:
    plan = make(**plan_settings)
    batches = [plan.batch(epoch, step)[0] for step in range(plan.steps)]
    assert sorted(np.concatenate(batches).tolist()) == plan._rows.tolist()
    assert {len(batch) for batch in batches[:-1]} <= {plan_settings["batch_size"]}
    assert 1 <= len(batches[-1]) <= plan_settings["batch_size"]


@settings(max_examples=60)
@given(plans, st.lists(st.tuples(st.integers(0, 3), st.integers(0, 10**6)), min_size=1, max_size=20))
def test_a_batch_is_the_same_however_one_comes_to_it(plan_settings: dict, jumps: list[tuple[int, int]]) -> None:
    walked, jumping = make(**plan_settings), make(**plan_settings)
    for epoch, step in jumps:
        step %= walked.steps
        rows, length = jumping.batch(epoch, step)
        for before in range(max(0, step - 3), step):
            walked.batch(epoch, before)
        again, same_length = walked.batch(epoch, step)
        assert rows.tolist() == again.tolist()
        assert length == same_length


@given(plans)
def test_the_padded_length_is_the_least_multiple_of_eight_that_holds_the_batch(plan_settings: dict) -> None:
    plan = make(**plan_settings)
    rows, length = plan.batch(1, plan.steps - 1)
    longest = plan.lengths(0)[rows].max()
    assert length % 8 == 0
    assert longest <= length < longest + 8


def test_epochs_and_seeds_differ() -> None:
    orders = {
        tuple(np.concatenate([make(500, 8, seed).batch(epoch, step)[0] for step in range(63)]).tolist())
        for seed, epoch in [(1, 0), (1, 1), (2, 0), (0, 1)]
    }
    assert len(orders) == 4


def test_the_order_is_pinned() -> None:
    """A change here makes resumed runs differ from unbroken ones: it needs a note in the changelog."""
    plan = BatchPlan(np.arange(20, 0, -1) % 7 + 1, np.arange(20), 4, seed=17)
    batches = [plan.batch(2, step)[0].tolist() for step in range(plan.steps)]
    assert batches == [[9, 16, 1, 8], [15, 7, 14, 0], [17, 10, 3, 2], [6, 13, 12, 5], [19, 18, 11, 4]]


def test_batches_are_not_in_order_of_length() -> None:
    plan = make(4000, 8, 1)
    longest = [plan.batch(0, step)[1] for step in range(plan.steps)]
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.15


def test_the_smaller_last_batch_is_not_always_of_the_longest_texts() -> None:
    plan = make(401, 8, 1)
    last = [plan.batch(epoch, plan.steps - 1)[1] for epoch in range(40)]
    assert len(set(last)) > 8


def test_evaluation_goes_by_length_throughout() -> None:
    plan = make(500, 8, 1, shuffle=False)
    lengths = np.concatenate([plan.lengths(0)[plan.batch(0, step)[0]] for step in range(plan.steps)])
    assert np.all(np.diff(lengths) >= 0)
    assert plan.batch(0, 5)[0].tolist() == plan.batch(3, 5)[0].tolist()


def test_without_shuffle_and_grouping_rows_keep_their_order() -> None:
    plan = make(50, 8, 1, shuffle=False, group_by_length=False)
    assert plan.batch(0, 1)[0].tolist() == plan._rows[8:16].tolist()


def test_grouping_leaves_little_padding() -> None:
    """Lognormal lengths like those of short reviews; rounding up to a multiple of 8 alone costs some 11%."""
    lengths = np.clip(np.random.default_rng(0).lognormal(3.2, 0.45, 8000), 4, 128).astype(np.int32)
    rows = np.arange(8000)
    assert BatchPlan(lengths, rows, 32, 1, multiple=1).padding() < 0.045
    rounding = 1 - lengths.sum() / (-(-lengths // 8) * 8).sum()
    assert BatchPlan(lengths, rows, 32, 1).padding() < rounding + 0.04
    assert BatchPlan(lengths, rows, 32, 1, group_by_length=False).padding() > 0.4


def test_two_threads_at_different_places_do_not_disturb_each_other() -> None:
    plan, alone = make(3000, 4, 1), make(3000, 4, 1)
    expected = {(epoch, step): alone.batch(epoch, step)[0].tolist() for epoch in (0, 1) for step in range(plan.steps)}

    def walk(epoch: int) -> bool:
        return all(plan.batch(epoch, step)[0].tolist() == expected[epoch, step] for step in range(plan.steps))

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(walk, [0, 1]))


@pytest.mark.parametrize("step", [-1, 5])
def test_a_step_beyond_the_epoch_is_refused(step: int) -> None:
    with pytest.raises(IndexError):
        make(40, 8, 1).batch(0, step)


def test_no_rows_cannot_be_planned() -> None:
    with pytest.raises(ValueError, match="nothing to plan"):
        BatchPlan(np.ones(3, np.int32), np.empty(0, np.int32), 8, 1)


def test_the_histogram_counts_every_row_in_the_bin_of_its_length() -> None:
    assert length_histogram(np.array([1, 8, 9, 16, 30])) == [(1, 8, 2), (9, 16, 2), (17, 24, 0), (25, 32, 1)]
    assert len(length_histogram(np.arange(1, 513))) == 16
    assert length_histogram(np.array([], np.int32)) == []


def test_an_epoch_has_some_rows_of_the_pool_which_seed_and_epoch_decide() -> None:
    lengths, own, pool = np.arange(1, 101), np.arange(0, 40), np.arange(60, 100)

    def drawn(epoch: int, seed: int = 5, *, jump: bool = False) -> list[int]:
        plan = BatchPlan(lengths, own, 7, seed, pool=pool, drawn=15)
        assert (plan.examples, plan.steps) == (55, 8)
        if jump:
            plan.batch(epoch + 1, 3)
        rows = np.concatenate([plan.batch(epoch, step)[0] for step in range(plan.steps)])
        assert np.sort(rows[rows < 60]).tolist() == own.tolist()
        replayed = np.sort(rows[rows >= 60])
        assert len(np.unique(replayed)) == 15
        return replayed.tolist()

    assert drawn(1) == drawn(1, jump=True)
    assert drawn(1) != drawn(2)
    assert drawn(1) != drawn(1, seed=6)
