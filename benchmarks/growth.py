"""Does the cost of an example grow with the number of rows, or with the length of a run?

    python benchmarks/growth.py                                   # 10 thousand, 100 thousand, 1 million rows
    python benchmarks/growth.py --rows 10000 --long_steps 4000    # a quick look

Each size runs in a fresh process with an empty cache and a tiny encoder, so that nothing hides behind arithmetic:
reading and checking, tokenising, planning and cutting batches, steps of `fit` with all that is done around them, and
saving a state. The ratio of each cost is that to the smallest size. Then one long run with a state every 100 steps: a
step, and a state, in its last tenth against its first, by median.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from processes import HERE, environment
from records import Rows, keep_and_show, machine, now, shown_machine
from small_training import write_rows, write_tiny_bert

from sftkeras.config import BackboneConfig, CheckpointConfig, DataConfig, TrainConfig, TrainingConfig
from sftkeras.tasks.classification.spec import ClassificationSettings

SIZES = [10_000, 100_000, 1_000_000]
BATCH, STATE_STEPS = 16, 100
FIRST_STEPS = 20  # not counted
COSTS = {
    "read": ("reading and checking, a row", 1e6, "µs"),
    "tokenise": ("tokenising, a row", 1e6, "µs"),
    "plan": ("planning an epoch, a row", 1e6, "µs"),
    "batch": ("cutting a batch", 1e6, "µs"),
    "step": ("a step", 1e3, "ms"),
    "state": ("a state", 1e3, "ms"),
}


def main() -> None:
    """Measures every size and the long run, prints the tables and keeps them."""
    settings = arguments()
    if settings.measure:
        rows, steps, folder = settings.measure
        print(json.dumps(measure(int(rows), int(steps), Path(folder))))
        return
    sizes = {str(rows): in_fresh_process(rows, settings.steps) for rows in settings.rows}
    long_run = in_fresh_process(min(settings.rows), settings.long_steps)
    record = {"when": now(), "machine": machine(), "sizes": sizes, "long": long_run}
    keep_and_show(record, settings.results, "growth", about(record), tables(record))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=SIZES, help="numbers of rows")
    parser.add_argument("--steps", type=int, default=500, help="of each size")
    parser.add_argument("--long_steps", type=int, default=20_000, help="of the long run, with the fewest rows")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder for the record and its tables")
    parser.add_argument("--measure", nargs=3, metavar=("ROWS", "STEPS", "FOLDER"), help=argparse.SUPPRESS)
    return parser.parse_args()


def in_fresh_process(rows: int, steps: int) -> dict[str, Any]:
    print(f"{rows:,} rows, {steps:,} steps", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, __file__, "--measure", str(rows), str(steps), folder]
        variables = environment(SFTKERAS_CACHE=f"{folder}/cache")
        answer = subprocess.run(words, env=variables, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(answer.splitlines()[-1])


def measure(rows: int, steps: int, folder: Path) -> dict[str, Any]:
    """Seconds of each part of `COSTS`, and of steps and states early and late."""
    from sftkeras import runtime
    from sftkeras.backbones.fetching import fetch_backbone
    from sftkeras.data import BatchPlan, load_data, tokenise
    from sftkeras.data.labels.classes.kind import ONE_LABEL

    weights, table = write_tiny_bert(folder / "weights"), write_rows(folder / "rows.csv", rows)
    config = TrainConfig(
        task=ClassificationSettings(),
        backbone=BackboneConfig(handle=str(weights), max_length=32),
        data=DataConfig(train=str(table), split=[0.98, 0.01, 0.01]),
        training=TrainingConfig(batch_size=BATCH),
        checkpoint=CheckpointConfig(every_steps=STATE_STEPS),
        runs=str(folder / "runs"),
    )
    began = time.perf_counter()
    data = load_data(config.data, ONE_LABEL, config.seed, None)
    seconds: dict[str, Any] = {"read": (time.perf_counter() - began) / rows}

    runtime.start_tensorflow()
    from sftkeras.text import TextFeatures
    from sftkeras.training.setup import set_up

    setup = set_up(config, data, fetch_backbone(str(weights), None, max_length=32))
    features = setup.text_model.features
    assert isinstance(features, TextFeatures)
    began = time.perf_counter()
    tokenise(data.examples, features.encode_arrays, "growth", None)  # a name not in the cache yet
    seconds["tokenise"] = (time.perf_counter() - began) / rows
    began = time.perf_counter()
    BatchPlan(setup.inputs.lengths, data.splits["train"], BATCH, config.seed).batch(0, 0)
    seconds["plan"] = (time.perf_counter() - began) / len(data.splits["train"])
    few = range(0, setup.train.steps, max(1, setup.train.steps // 500))  # all over the epoch
    began = time.perf_counter()
    for step in few:
        setup.train.arrays(0, step)
    seconds["batch"] = (time.perf_counter() - began) / len(few)
    return seconds | train(setup, data, config, steps)


def train(setup: Any, data: Any, config: TrainConfig, steps: int) -> dict[str, Any]:
    """So many steps of `fit`, on rows from all over the data."""
    from sftkeras.data import BatchPlan
    from sftkeras.runs import RunFolder
    from sftkeras.training.fit import fit

    some = np.random.default_rng(0).permutation(data.splits["train"])[: steps * BATCH]
    setup.train.plan = BatchPlan(setup.inputs.lengths, np.sort(some), BATCH, config.seed)
    config = replace(config, training=replace(config.training, epochs=max(1, round(steps / setup.train.steps))))
    run = RunFolder.plan(config)
    run.create(config)
    fit(setup.model, setup.train, setup.validation, config, run)
    return early_and_late(run.tensorboard)


def early_and_late(folder: Path) -> dict[str, Any]:
    """Median seconds from one step's end to the next's, and of a state, over the run and its first and last tenth."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    ends = np.array([event.wall_time for event in events.Tensors("step/loss")])
    saved = np.array([float(make_ndarray(event.tensor_proto)) for event in events.Tensors("time/checkpoint")])
    found: dict[str, Any] = {}
    for name, values in {"step": np.diff(ends)[FIRST_STEPS:], "state": saved[saved > 0]}.items():
        tenth = max(1, len(values) // 10)
        for when, part in (("", values), (" early", values[:tenth]), (" late", values[-tenth:])):
            found[name + when] = float(np.median(part))
    return found


def about(record: dict[str, Any]) -> str:
    sizes, long = record["sizes"], record["long"]
    smallest, largest = (sizes[of(sizes, key=int)] for of in (min, max))
    ratios = {title: largest[cost] / smallest[cost] for cost, (title, *_) in COSTS.items()}
    most = max(ratios, key=ratios.__getitem__)
    late = {cost: long[f"{cost} late"] / long[f"{cost} early"] for cost in ("step", "state")}
    return (
        f"{shown_machine(record)} From fewest to most rows, what grows most is {most}: {ratios[most]:.2f} times. "
        f"Late in a long run a step takes {late['step']:.2f} times as long as early, a state {late['state']:.2f} times."
    )


def tables(record: dict[str, Any]) -> list[Rows]:
    sizes, long = record["sizes"], record["long"]
    smallest = sizes[min(sizes, key=int)]
    rows = [
        [title, *(f"{each[cost] * factor:.3g} {unit} ({each[cost] / smallest[cost]:.2f})" for each in sizes.values())]
        for cost, (title, factor, unit) in COSTS.items()
    ]
    times = []
    for cost in ("step", "state"):
        early, late = long[f"{cost} early"], long[f"{cost} late"]
        times.append([COSTS[cost][0], f"{early * 1e3:.3g} ms", f"{late * 1e3:.3g} ms", f"{late / early:.2f}"])
    columns = ["cost (ratio)", *(f"{int(size):,} rows" for size in sizes)]
    return [(columns, rows), (["in a long run", "early", "late", "ratio"], times)]


if __name__ == "__main__":
    main()
