"""A module that trains as it is: one device, two and micro-batches give the same, and every variable moves."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from backbones.hub_modules import EncoderModule
from fresh_runs import Run, largest_difference, train, weights

LEARNING_RATE = 1e-2  # of tiny_run, after one step of warm-up
HEAD = {"logits/kernel", "logits/bias"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Future]:
    modules = tmp_path_factory.mktemp("modules")
    plain = str(EncoderModule(width=8).write(modules / "plain"))
    penalised = str(EncoderModule(regularised=True, interface="list").write(modules / "penalised"))
    free = str(EncoderModule(interface="list").write(modules / "free"))
    adam: dict[str, Any] = {"module": plain, "class_weights": True, "validated": False}
    gentle: dict[str, Any] = {"optimizer": "sgd", "clip_norm": 1e9, "class_weights": True, "validated": False}
    runs: dict[int, dict[str, dict[str, Any]]] = {
        1: {
            "adamw": adam,
            "penalty": {"module": penalised, **gentle},
            "no penalty": {"module": free, **gentle},
            "bfloat16": {**adam, "precision": "mixed_bfloat16"},
        },
        2: {
            "adamw": adam,
            "penalty, 2 micro-batches": {"module": penalised, **gentle, "accumulation": 2},
        },
    }
    with ThreadPoolExecutor(2) as pool:
        return {
            count: pool.submit(train, tmp_path_factory.mktemp("runs"), count, those) for count, those in runs.items()
        }


def test_devices_and_micro_batches_change_nothing(trained: dict[int, Future]) -> None:
    one, other = trained[1].result()["penalty"], trained[2].result()["penalty, 2 micro-batches"]
    assert largest_difference(one, other) < 1e-6
    np.testing.assert_allclose(other["losses"], one["losses"], rtol=1e-6)


@pytest.mark.parametrize("devices", [1, 2])
def test_one_step_reaches_every_variable(trained: dict[int, Future], devices: int) -> None:
    # AdamW takes a step where the gradient is next to nothing too, as it is for the biases of attention's keys.
    run: Run = trained[devices].result()["adamw"]
    before, after = weights(run, "before"), weights(run, "one step")
    assert len(before) == len(EncoderModule(width=8).draw()) + len(HEAD)
    unmoved = {name for name, array in before.items() if np.array_equal(array, after[name])}
    assert unmoved == set()


@pytest.mark.parametrize("devices", [1, 2])
def test_saved_weights_come_back_on_every_device(trained: dict[int, Future], devices: int) -> None:
    assert all(run["restored"] for run in trained[devices].result().values())


def test_the_penalty_counts_once_and_exactly(trained: dict[int, Future]) -> None:
    run, free = trained[2].result()["penalty, 2 micro-batches"], trained[1].result()["no penalty"]
    start = weights(run, "before")["word_embeddings/embeddings"]
    np.testing.assert_allclose(run["losses"][0] - free["losses"][0], 0.01 * np.square(start).sum(), rtol=1e-5)
    moved, others = weights(run, "one step"), weights(free, "one step")
    shrunk = moved.pop("word_embeddings/embeddings") - others.pop("word_embeddings/embeddings")
    np.testing.assert_allclose(shrunk, -LEARNING_RATE * 0.02 * start, atol=1e-7)
    for name, array in moved.items():
        np.testing.assert_allclose(array, others[name], atol=1e-7, err_msg=name)


def test_a_module_computes_in_float32_whatever_the_precision(trained: dict[int, Future]) -> None:
    runs = trained[1].result()
    np.testing.assert_allclose(runs["bfloat16"]["losses"], runs["adamw"]["losses"], rtol=1e-6)
