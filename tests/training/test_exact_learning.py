"""Averages, layer rates, unfreezing, weights of rows and recomputed activations: the same on any device, in any parts.

Each number of devices needs a process of its own; see tiny_run.py for what is trained.
"""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np
import pytest
from fresh_runs import Run, largest_difference, train_each, weights

EVERYTHING: dict[str, object] = {
    "accumulation": 2,
    "ema": 0.9,
    "layer_decay": 0.7,
    "unfreeze": 1,
    "rematerialise": True,
    "row_weights": True,
}
DROPOUT: dict[str, object] = {"dropout": 0.2, "unfreeze": 1, "validated": False}
TWO_LAYERS: dict[str, object] = {"optimizer": "sgd", "clip_norm": 1e9, "layers": 2, "validated": False}
RUNS: dict[int, dict[str, dict[str, object]]] = {
    1: {
        "everything": {**EVERYTHING, "accumulation": 1},
        "dropout": DROPOUT,
        "3 micro-batches": {**DROPOUT, "accumulation": 3},
        "rematerialised": {**DROPOUT, "rematerialise": True},
        "sgd": TWO_LAYERS,
        "sgd layer decay": {**TWO_LAYERS, "layer_decay": 0.5},
    },
    2: {"everything": EVERYTHING},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Future]:
    return train_each(tmp_path_factory, RUNS)


def part(run: Run, prefix: str) -> dict[str, np.ndarray]:
    return {name: array for name, array in run.items() if name.startswith(prefix)}


def test_all_of_it_together_is_the_same_on_two_devices(trained: dict[int, Future]) -> None:
    one, two = trained[1].result()["everything"], trained[2].result()["everything"]
    assert largest_difference(one, two) < 1e-6
    averages = part(one, "averages/")
    assert len(averages) == len(weights(one))
    for name, array in averages.items():
        np.testing.assert_allclose(two[name], array, atol=1e-6, err_msg=name)
    for name, array in part(one, "history/").items():
        np.testing.assert_allclose(two[name], array, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("other", ["3 micro-batches", "rematerialised"])
def test_parts_and_recomputing_drop_the_same_and_end_the_same(trained: dict[int, Future], other: str) -> None:
    runs = trained[1].result()
    assert largest_difference(runs["dropout"], runs[other]) < 1e-6
    np.testing.assert_allclose(runs[other]["losses"], runs["dropout"]["losses"], atol=1e-6)


def test_each_layer_learns_at_its_own_rate(trained: dict[int, Future]) -> None:
    runs = trained[1].result()
    plain, decayed = runs["sgd"], runs["sgd layer decay"]
    factors = {"embedding": 0.5**3, "layer_0": 0.5**2, "layer_1": 0.5, "logits": 1.0}
    seen = set()
    for name, before in weights(plain, "before").items():
        (place,) = [place for place in factors if place in name]
        moved = weights(plain, "one step")[name] - before
        np.testing.assert_allclose(
            weights(decayed, "one step")[name] - before, moved * factors[place], atol=1e-7, err_msg=name
        )
        seen |= {place} if np.abs(moved).max() > 1e-5 else set()
    assert seen == set(factors)


def test_layers_learn_from_the_top_epoch_by_epoch(trained: dict[int, Future]) -> None:
    run = trained[1].result()["dropout"]
    for name, before in weights(run, "before").items():
        in_head, in_layer = "logits" in name, "transformer_layer" in name
        same_after_one = np.array_equal(weights(run, "first epoch")[name], before)
        same_after_two = np.array_equal(weights(run)[name], before)
        # The gradient of an attention's key bias is nothing but rounding.
        if "key/bias" not in name:
            assert (same_after_one, same_after_two) == (not in_head, not in_head and not in_layer), name


def test_what_never_learns_has_no_moments(trained: dict[int, Future]) -> None:
    run = trained[1].result()["dropout"]
    moments = {name: array for name, array in part(run, "optimizer/").items() if "embedding" in name}
    assert moments
    assert not any(array.any() for array in moments.values())
    (steps,) = [array for name, array in part(run, "optimizer/").items() if name.endswith("/steps")]
    assert set(steps.tolist()) == {0, 3, 6}  # embeddings, layers, head
