"""Two worker processes with one core each against one process with both: what does it cost to go through the network?

    python benchmarks/workers.py                          # 3 turns of 80 steps each, some 12 minutes
    python benchmarks/workers.py --turns 1                # a quick look

Both train the quickstart's encoder on the same rows in batches of the same size, and so do the same arithmetic. Each
process is bound to its cores before it starts, so TensorFlow sees no others. They take turns, in an order that changes.
The speed is that of the steps from one's end to the next's, by TensorBoard's own times, without the first ones and the
evaluation. What divides the two is the sum of all gradients (91 MB a step) over a socket of this machine, and that the
halves of a batch can be of unlike length. Linux only, since elsewhere a process cannot be bound.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from contenders import labelled_rows, write_rows
from processes import HERE, environment, free_port
from records import Rows, keep_and_show, machine, now, shown_machine
from turns import OtherWork, order

from sftkeras import runtime
from sftkeras.command_line import commands
from sftkeras.config import TrainConfig
from sftkeras.data import load_data
from sftkeras.tasks import spec_of

CONFIG = HERE.parent / "examples" / "quickstart.yaml"
FIRST_STEPS = 20  # not counted
REST = 64  # rows to validate and to test
LEAST = 0.8
ONE, TWO = "one process, two cores", "two processes, one core each"


def main() -> None:
    """Measures, prints the table and keeps it. The exit code is 1 if the median ratio is below `LEAST`."""
    settings = arguments()
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise SystemExit("This needs two cores.")
    speeds: dict[str, list[float]] = {ONE: [], TWO: []}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        work = Path(settings.work or folder)
        bound_to = {ONE: [cores], TWO: [[core] for core in cores]}
        rows = write_parts(settings, work)
        with OtherWork() as others:
            for turn in range(settings.turns):
                for name in order(list(bound_to), turn):
                    output = work / f"{turn}-{len(bound_to[name])}"
                    output.mkdir(parents=True)
                    speeds[name].append(examples_per_second(bound_to[name], output, rows, settings))
                    print(f"{name}: {speeds[name][-1]:.1f} examples/s", flush=True)
    ratios = [two / one for one, two in zip(speeds[ONE], speeds[TWO], strict=True)]
    record = {"when": now(), "machine": machine(), "others": others.share, "speeds": speeds, "ratios": ratios}
    keep_and_show(record, settings.results, "workers", about(record), tables(record))
    raise SystemExit(statistics.median(ratios) < LEAST)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--steps", type=int, default=80, help=f"of a turn, of which {FIRST_STEPS} are not counted")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder for the record and its tables")
    parser.add_argument("--work", help="folder for runs and logs; by default one that is removed at the end")
    return parser.parse_args()


def write_parts(settings: argparse.Namespace, work: Path) -> dict[str, str]:
    """Writes as many rows as the steps need, and a few to validate and test, since neither is measured; gives files."""
    config = commands.parse(TrainConfig, ["--config", str(settings.config)])
    data = load_data(config.data, spec_of(config.task.kind).label_kind(config.task), config.seed, None)
    most = {"train": settings.steps * settings.batch_size + 1, "validation": REST, "test": REST}
    drawn = {
        part: np.random.default_rng(config.seed).permutation(rows)[: most[part]] for part, rows in data.splits.items()
    }
    return {part: write_rows(work / f"{part}.jsonl", labelled_rows(data, rows)) for part, rows in drawn.items()}


def examples_per_second(
    bound_to: list[list[int]], output: Path, rows: dict[str, str], settings: argparse.Namespace
) -> float:
    """Trains once, in a process for each list of cores; gives the steady speed.

    Raises:
        SystemExit: a process failed; names its log.
    """
    workers = [f"127.0.0.1:{free_port()}" for _ in bound_to]
    flags = {
        "config": settings.config,
        "name": "run",
        "runs": output / "runs",
        "export.folder": output / "saved_models",
        **{f"data.{part}": file for part, file in rows.items()},
        "data.where": "null",
        "data.label_names": "null",
        "training.epochs": 1,
        "training.batch_size": settings.batch_size,
        "training.strategy": "multi_worker" if len(workers) > 1 else "mirrored",
        "report.baselines": "false",
        "report.bootstrap": 0,
        "checkpoint.every_minutes": "null",
    }
    words = [sys.executable, "-m", "sftkeras.train", *(f"--{name}={value}" for name, value in flags.items())]
    processes = []
    for index, cores in enumerate(bound_to):
        task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        variables = {"TF_CONFIG": json.dumps(task)} if len(workers) > 1 else {}
        with (output / f"{index}.log").open("w", encoding="utf-8") as log:
            processes.append(
                subprocess.Popen(bound(words, cores), env=environment(**variables), stdout=log, stderr=log)
            )
    codes = [process.wait() for process in processes]
    if any(codes):
        raise SystemExit(f"A worker failed; the logs are in {output}")
    return speed_of(output / "runs" / "run" / "tensorboard", settings.batch_size)


def bound(words: list[str], cores: list[int]) -> list[str]:
    """The command, bound to these cores from its beginning."""
    return ["taskset", "--cpu-list", ",".join(map(str, cores)), *words]


def speed_of(folder: Path, batch_size: int) -> float:
    """Examples a second from the first counted step's end to the last but one's: the last step's batch is smaller."""
    runtime.start_tensorflow()  # TensorBoard imports it, less quietly
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    ends = [event.wall_time for event in events.Tensors("step/loss")][:-1]
    return (len(ends) - 1 - FIRST_STEPS) * batch_size / (ends[-1] - ends[FIRST_STEPS])


def about(record: dict[str, Any]) -> str:
    ratio = statistics.median(record["ratios"])
    return (
        f"{shown_machine(record)} Two workers with one core each reach {ratio:.2f} of one process with two "
        f"({'at least' if ratio >= LEAST else 'below'} {LEAST})."
    )


def tables(record: dict[str, Any]) -> list[Rows]:
    columns = ["", "median", "lowest", "highest"]
    rows = [
        [name, *(f"{of(values):.1f} examples/s" for of in (statistics.median, min, max))]
        for name, values in record["speeds"].items()
    ]
    ratios = record["ratios"]
    return [(columns, [*rows, ["ratio", *(f"{of(ratios):.3f}" for of in (statistics.median, min, max))]])]


if __name__ == "__main__":
    main()
