"""A loss of whole batches: however a batch is cut, the same seed ends with the same weights.

What is trained is in tiny_run.py; the losses themselves are checked in tests/tasks/similarity/test_similarity.py.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
from fresh_runs import largest_difference, train, weights

# AdamW divides by the gradient's own size, and cosines over the temperature are large: what rounding leaves would grow.
MATCHING: dict[str, object] = {"pairs": "multiple_negatives", "optimizer": "sgd"}
COSINE: dict[str, object] = {"pairs": "cosine", "optimizer": "sgd"}
CONTRASTIVE: dict[str, object] = {"pairs": "contrastive", "optimizer": "sgd"}
FLOAT16: dict[str, object] = {**MATCHING, "precision": "mixed_float16", "loss_scale": 1024.0, "validated": False}
RUNS: dict[int, dict[str, dict[str, object]]] = {
    1: {
        "matching": MATCHING,
        "cosine": COSINE,
        "contrastive": CONTRASTIVE,
        "dropout": {**MATCHING, "dropout": 0.2},
        "dropout in 3 parts": {**MATCHING, "dropout": 0.2, "accumulation": 3},
    },
    2: {"matching": MATCHING, "cosine": COSINE, "contrastive": CONTRASTIVE, "float16": FLOAT16},
    4: {"matching in 2 parts": {**MATCHING, "accumulation": 2}},
}
# A device's rows, or a micro-batch's, often end within a pair.
EQUAL = [
    (2, "matching", "matching"),
    (4, "matching in 2 parts", "matching"),
    (2, "cosine", "cosine"),
    (2, "contrastive", "contrastive"),
    (1, "dropout in 3 parts", "dropout"),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Future]:
    with ThreadPoolExecutor(2) as pool:
        return {
            devices: pool.submit(train, tmp_path_factory.mktemp("pairs"), devices, runs)
            for devices, runs in RUNS.items()
        }


@pytest.mark.parametrize(("devices", "name", "reference"), EQUAL)
def test_how_a_batch_is_cut_changes_nothing(
    trained: dict[int, Future], devices: int, name: str, reference: str
) -> None:
    one, other = trained[1].result()[reference], trained[devices].result()[name]
    assert largest_difference(one, other) < 1e-6
    # Cosines over the temperature are large, and so is what rounding leaves of them on some processors.
    np.testing.assert_allclose(other["losses"], one["losses"], rtol=1e-5, atol=1e-6)
    history = [key for key in one if key.startswith("history/")]
    metric = "in_batch_accuracy" if reference in ("matching", "dropout") else "pearson"
    assert {"history/loss", f"history/{metric}", "history/val_loss", f"history/val_{metric}"} <= set(history)
    for key in history:
        np.testing.assert_allclose(other[key], one[key], rtol=1e-4, atol=1e-6, err_msg=key)


def test_the_scaled_gradient_of_float16_is_that_of_the_whole(trained: dict[int, Future]) -> None:
    exact, rounded = trained[1].result()["matching"], trained[2].result()["float16"]
    np.testing.assert_allclose(rounded["losses"], exact["losses"], rtol=0.02)


def test_the_runs_learn_something_of_their_own(trained: dict[int, Future]) -> None:
    runs = trained[1].result()
    names = ["matching", "cosine", "contrastive", "dropout"]
    for number, name in enumerate(names):
        before = weights(runs[name], "before")
        assert max(np.abs(array - before[key]).max() for key, array in weights(runs[name]).items()) > 1e-3
        for other in names[:number]:
            assert largest_difference(runs[name], runs[other]) > 1e-4
