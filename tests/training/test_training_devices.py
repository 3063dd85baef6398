"""One device, several devices, micro-batches and precisions: the same seed ends with the same weights.

Each number of devices needs a process of its own; see tiny_run.py for what is trained.
"""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np
import pytest
from fresh_runs import largest_difference, train_each, weights

WEIGHTED: dict[str, object] = {"class_weights": True}
# The size of a gradient is seen by SGD alone: AdamW divides by it.
SGD: dict[str, object] = {**WEIGHTED, "optimizer": "sgd"}
FLOAT16: dict[str, object] = {"precision": "mixed_float16", "optimizer": "sgd", "loss_scale": 65536.0}
RUNS: dict[int, dict[str, dict[str, object]]] = {
    1: {
        "adamw": WEIGHTED,
        "sgd": SGD,
        "3 micro-batches": {**WEIGHTED, "accumulation": 3},
        "float16": FLOAT16,
        "bfloat16": {**WEIGHTED, "precision": "mixed_bfloat16", "validated": False},
    },
    2: {
        "adamw": WEIGHTED,
        "sgd": {**SGD, "compare_replicas": True},
        "float16": {**FLOAT16, "validated": False},
        "dropout": {"dropout": 0.2, "compare_replicas": True, "validated": False},
    },
    4: {"2 micro-batches": {**SGD, "accumulation": 2}},
}
STEPS = 6

# Losses of each step with one device, AdamW and class weights; a change of the arithmetic shows here.
PINNED = [1.353455, 2.487760, 2.489976, 0.575287, 0.640484, 0.543237]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Future]:
    return train_each(tmp_path_factory, RUNS)


@pytest.mark.parametrize(
    ("devices", "name", "reference"),
    [
        (2, "adamw", "adamw"),
        (2, "sgd", "sgd"),
        (4, "2 micro-batches", "sgd"),
        (1, "3 micro-batches", "adamw"),
    ],
)
def test_devices_and_micro_batches_change_nothing(
    trained: dict[int, Future], devices: int, name: str, reference: str
) -> None:
    one, other = trained[1].result()[reference], trained[devices].result()[name]
    assert largest_difference(one, other) < 1e-6
    np.testing.assert_allclose(other["losses"], one["losses"], atol=1e-6)
    history = [key for key in one if key.startswith("history/")]
    assert {"history/loss", "history/accuracy", "history/val_loss", "history/val_macro_f1"} <= set(history)
    for key in history:
        np.testing.assert_allclose(other[key], one[key], rtol=1e-5, err_msg=key)
    assert one["iterations"] == other["iterations"] == STEPS


def test_the_losses_are_those_of_always(trained: dict[int, Future]) -> None:
    np.testing.assert_allclose(trained[1].result()["adamw"]["losses"], PINNED, atol=1e-5)


def test_weights_are_learnt_at_all(trained: dict[int, Future]) -> None:
    runs = trained[1].result()
    assert largest_difference(runs["adamw"], runs["sgd"]) > 1e-2


def test_float16_skips_overflowing_steps_alike(trained: dict[int, Future]) -> None:
    one, two = trained[1].result()["float16"], trained[2].result()["float16"]
    assert one["loss_scale"] == two["loss_scale"] == 65536 / 4
    assert one["iterations"] == two["iterations"] == STEPS - 2  # a skipped step is no step of the schedule
    assert largest_difference(one, two) < 1e-3
    assert all(np.isfinite(array).all() for array in weights(one).values())
    np.testing.assert_allclose(two["losses"], one["losses"], atol=1e-3)


def test_bfloat16_stays_near_float32(trained: dict[int, Future]) -> None:
    exact, rounded = trained[1].result()["adamw"], trained[1].result()["bfloat16"]
    assert all(array.dtype == np.float32 for array in weights(rounded).values())
    np.testing.assert_allclose(rounded["losses"], exact["losses"], atol=0.05)
    assert largest_difference(exact, rounded) > 0


def test_replicas_drop_different_units(trained: dict[int, Future]) -> None:
    with_dropout, without = trained[2].result()["dropout"], trained[2].result()["sgd"]
    assert abs(np.diff(with_dropout["replica_losses"])[0]) > 1e-3
    assert without["replica_losses"][0] == pytest.approx(without["replica_losses"][1], abs=1e-6)
