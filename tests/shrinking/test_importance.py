"""The importance of heads and units is the slope of the loss along a mask, and what matters most stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from models import untrained
from tiny_bert import reviews, write_csv, write_tiny_bert

from sftkeras.backbones.dense.adapters import sizes
from sftkeras.backbones.linear_parts import linear_parts
from sftkeras.backbones.narrower import Width
from sftkeras.data.batches import BatchPlan
from sftkeras.errors import SFTError
from sftkeras.shrinking.importance import Importance, importance_of
from sftkeras.shrinking.pruning import choose, kept_counts
from sftkeras.training.batches import Batches, read_inputs

SMALL = 1e-2


def test_importance_is_the_slope_of_each_rows_loss_along_a_mask(tmp_path: Path) -> None:
    rows = write_csv(tmp_path / "reviews.csv", reviews(40))
    restored, data = untrained(write_tiny_bert(tmp_path / "bert"), rows)
    [found] = importance_of(restored, data, rows=3)
    parts = linear_parts(restored.backbone)
    part = data.splits["validation"]
    chosen = part[np.unique(np.linspace(0, len(part) - 1, 3, dtype=int))]
    inputs = read_inputs(data.examples, restored.model.features)
    plan = BatchPlan(inputs.lengths, chosen, 1, seed=0, shuffle=False)
    batches = Batches(plan, inputs, data.examples.labels, restored.model.task, 16)

    def losses() -> np.ndarray:
        arrays = (batches.arrays(0, step) for step in range(batches.steps))
        return np.array([
            float(restored.model.task.loss(labels, restored.model.network(inputs))[0]) for inputs, labels, _ in arrays
        ])  # fmt: skip

    def slopes(name: str, places: slice) -> np.ndarray:
        kernel = parts[0, name].kernel
        whole, measured = kernel.numpy(), []
        for mask in (1 + SMALL, 1 - SMALL):
            flat = whole.reshape(sizes(parts[0, name])).copy()
            flat[places] *= mask
            kernel.assign(flat.reshape(whole.shape))
            measured.append(losses())
        kernel.assign(whole)
        return np.abs(measured[0] - measured[1]).sum() / (2 * SMALL)

    heads = [slopes("output", slice(8 * head, 8 * head + 8)) for head in range(2)]
    np.testing.assert_allclose(found.groups, heads, rtol=2e-2, atol=1e-4)
    units = [slopes("down", slice(unit, unit + 1)) for unit in (0, 7, 31)]
    np.testing.assert_allclose(found.units[[0, 7, 31]], units, rtol=2e-2, atol=1e-4)


def test_a_share_of_all_heads_is_taken_over_all_layers_and_leaves_each_one() -> None:
    layers = [np.array([4.0, 3.0, 0.1, 0.2]), np.array([0.01, 0.0, 0.0, 0.0]), np.array([5.0, 5.0, 5.0, 1.0])]
    importance = [Importance(layer, np.array([1.0, 3.0, 2.0])) for layer in layers]
    kept = choose(importance, 0.5, 2)
    assert [layer.groups.tolist() for layer in kept] == [[0, 1], [0], [0, 1, 2]]
    assert all(layer.units.tolist() == [1, 2] for layer in kept)
    assert [layer.groups.tolist() for layer in choose(importance, 1, 3)] == [[0], [0], [0]]


@pytest.mark.parametrize(
    ("heads", "units", "alike", "expected"),
    [
        (None, None, False, (4, 24)),
        (0.5, 0.5, False, (0.5, 12)),
        (0.5, 6, True, (2, 6)),
        (3, None, True, (2, 24)),  # groups of two heads
    ],
)  # fmt: skip
def test_numbers_and_shares(heads: float | None, units: float | None, alike: bool, expected: tuple) -> None:
    width = Width((4, 4), 24, heads_of_group=2 if heads == 3 else 1)
    assert kept_counts(width, heads, units, alike=alike) == expected


@pytest.mark.parametrize(("heads", "units"), [(5, None), (None, 25)])
def test_more_than_there_are_is_refused(heads: float | None, units: float | None) -> None:
    with pytest.raises(SFTError, match="SFT102"):
        kept_counts(Width((4, 4), 24), heads, units, alike=False)
