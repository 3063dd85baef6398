"""One process, two, and two with two devices each: the same weights, metrics and decisions, on every worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import forked
import numpy as np
import pytest
from fresh_runs import Run, largest_difference

from sftkeras.launch import free_addresses
from sftkeras.training.workers.cluster import Cluster

RUNS = {
    # AdamW divides by the gradient's own size, which makes of rounding errors what the learning rate allows.
    "encoder": {"optimizer": {"learning_rate": 2e-4}, "accumulation": 2, "class_weights": [1.0, 3.0]},
    "pairs": {"optimizer": {"learning_rate": 2e-4}, "pairs": True},
    # So few packed rows that some workers or devices get none of them.
    "decoder": {"optimizer": {"learning_rate": 2e-4}, "accumulation": 2, "packing": True, "next_tokens": True},
    "stopped early": {
        "optimizer": {"name": "sgd", "learning_rate": 2.0, "momentum": 0.9},
        "small": True,
        "epochs": 12,
        "patience": 1,
    },
}
METRICS = {"pairs": "in_batch_accuracy", "decoder": "token_accuracy"}
# Processes, devices of each, and what they train: each start costs seconds, and each run its graphs.
WAYS = {
    "one": (1, 1, ("encoder", "pairs", "decoder", "stopped early")),
    "two": (2, 1, ("stopped early",)),
    "two with two devices": (2, 2, ("encoder", "pairs", "decoder")),
}
SEVERAL = [(way, name) for way, (processes, _, names) in WAYS.items() for name in names if processes > 1]


def start(folder: Path, processes: int, devices: int, names: Sequence[str]) -> list[forked.Process]:
    here = Path(__file__)
    paths = [here.parents[2], here.parents[1], here.parent]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths)), "TF_NUM_INTRAOP_THREADS": "1"}
    environment.pop("TF_CONFIG", None)
    addresses = free_addresses(processes)
    runs = json.dumps({name: RUNS[name] for name in names})
    command = [sys.executable, str(here.with_name("worker_run.py")), str(folder), str(devices), runs]
    return [
        forked.Process(
            command,
            env=environment | ({"TF_CONFIG": Cluster(addresses, index).tf_config()} if processes > 1 else {}),
            stdout=subprocess.DEVNULL,
            stderr=(folder / f"{index}.txt").open("wb"),
        )
        for index in range(processes)
    ]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {way: tmp_path_factory.mktemp("workers") for way in WAYS}
    for way, folder in folders.items():
        running = start(folder, *WAYS[way])
        try:
            codes = [process.wait(600) for process in running]
        finally:
            for process in running:
                process.kill()
        assert codes == [0] * len(codes), "".join(file.read_text()[-2000:] for file in folder.glob("*.txt"))
    return folders


def trained(folder: Path, name: str) -> list[Run]:
    """What each worker ended with."""
    return [dict(np.load(file)) for file in sorted(folder.glob(f"{name}-*.npz"))]


@pytest.mark.parametrize(("way", "name"), SEVERAL)
def test_several_workers_end_as_one(folders: dict[str, Path], way: str, name: str) -> None:
    (one,) = trained(folders["one"], name)
    several = trained(folders[way], name)
    assert len(several) == 2
    for worker in several:
        assert largest_difference(one, worker) < 1e-6
        figures = [key for key in one if key.startswith("history/")]
        metric = METRICS.get(name, "macro_f1")
        assert {"history/loss", f"history/{metric}", "history/val_loss", f"history/val_{metric}"} <= set(figures)
        for key in figures:
            np.testing.assert_allclose(worker[key], one[key], rtol=1e-5, err_msg=key)


@pytest.mark.parametrize(("way", "name"), SEVERAL)
def test_workers_are_equal_to_the_bit(folders: dict[str, Path], way: str, name: str) -> None:
    chief, other = trained(folders[way], name)
    assert largest_difference(chief, other) == 0
    for key in (key for key in chief if key.startswith("history/")):
        np.testing.assert_array_equal(chief[key], other[key], err_msg=key)


def test_the_run_to_be_stopped_was_stopped(folders: dict[str, Path]) -> None:
    for way in ("one", "two"):
        assert all(2 <= len(run["history/loss"]) < 12 for run in trained(folders[way], "stopped early"))


def test_one_worker_s_wish_is_known_to_all(folders: dict[str, Path]) -> None:
    # The second worker raised the first flag, nobody the second one.
    for way, name in SEVERAL:
        assert [run["agreed"].tolist() for run in trained(folders[way], name)] == [[True, False]] * 2


def test_stock_fit_fails(folders: dict[str, Path]) -> None:
    """If Keras' own `fit` works with several workers, the workaround in internals can go."""
    assert [(folders["two"] / f"stock-{index}").read_text() for index in (0, 1)] == ["True", "True"]
