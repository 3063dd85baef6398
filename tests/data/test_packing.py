from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sftkeras.data.batches import BatchPlan
from sftkeras.data.packing import first_fit, pack_rows, packed_length

LENGTHS = st.lists(st.integers(1, 20), min_size=1, max_size=30)


@given(LENGTHS)
def test_packed_rows_hold_all_rows_and_none_too_many(lengths: list[int]) -> None:
    packs = first_fit(np.array(lengths), 20)
    tokens = np.bincount(packs, weights=lengths)
    assert tokens.min() > 0
    assert packed_length(np.array(lengths), packs) == tokens.max() <= 20
    assert (np.sort(tokens)[:2].sum() > 20) or len(tokens) == 1  # no two of them would fit into one


@given(LENGTHS)
def test_each_row_is_found_again_as_a_segment_with_positions_of_its_own(lengths: list[int]) -> None:
    mask = (np.arange(24) < np.array(lengths)[:, np.newaxis]).astype(np.int32)
    rows = np.arange(1, mask.size + 1, dtype=np.int32).reshape(mask.shape) * mask
    packed = pack_rows({"token_ids": rows, "padding_mask": mask}, first_fit(np.array(lengths), 24))
    assert packed["padding_mask"].sum() == sum(lengths)
    np.testing.assert_array_equal(packed["segments"] > 0, packed["padding_mask"])
    found = []
    for row in range(len(packed["segments"])):
        for segment in range(1, packed["segments"][row].max() + 1):
            here = packed["segments"][row] == segment
            np.testing.assert_array_equal(packed["positions"][row][here], np.arange(here.sum()))
            found.append(packed["token_ids"][row][here].tolist())
    assert sorted(found) == sorted(row[row > 0].tolist() for row in rows)


def test_a_plan_packs_each_batch_and_counts_what_padding_is_left() -> None:
    lengths = np.array([8, 3, 5, 8, 2, 6], np.int32)
    plan = BatchPlan(lengths, np.arange(6), 3, seed=1, group_by_length=False, multiple=1, room=8)
    unpacked = BatchPlan(lengths, np.arange(6), 3, seed=1, group_by_length=False, multiple=1)
    cells = 0
    for step in range(plan.steps):
        rows, length = plan.batch(0, step)
        packs = plan.packs(0, step)
        assert packs is not None
        np.testing.assert_array_equal(rows, unpacked.batch(0, step)[0])
        assert length == packed_length(lengths[rows], packs)
        cells += (packs.max() + 1) * length
    assert plan.padding() == 1 - lengths.sum() / cells
    assert unpacked.packs(0, 0) is None
