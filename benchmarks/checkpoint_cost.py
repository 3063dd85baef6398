"""Measures the cost of a state every 50 steps in the quickstart's training: slices of steps with a state and without.

    python benchmarks/checkpoint_cost.py                       # 12 pairs of slices, 6 to 10 minutes
    python benchmarks/checkpoint_cost.py --pairs 4 --folder /mnt/slow

All slices are of the same 50 batches, in one process, on one set of weights, and take turns: without, with, without,
with, and so on. A slice with a state captures it at its beginning, as training does, trains on while the state is
written, and ends when it is on the disk: all of its cost is inside. Each ratio is one such slice over the mean of its
two neighbours without, so that a machine that grows slower or faster harms both alike.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from processes import HERE
from records import Rows, keep_and_show, machine, now, shown_machine

from sftkeras import runtime
from sftkeras.command_line import commands
from sftkeras.config import TrainConfig
from sftkeras.tasks import spec_of

CONFIG = HERE.parent / "examples" / "quickstart.yaml"
WARM_UP = 10  # steps before the first slice
MOST = 1.03


def main() -> None:
    """Measures, prints the table and keeps it. The exit code is 1 if the median ratio is above `MOST`."""
    settings = arguments()
    config = commands.parse(TrainConfig, ["--config", str(settings.config)])
    with tempfile.TemporaryDirectory(dir=settings.folder) as folder:
        record = {
            "when": now(),
            "steps": settings.steps,
            **measure(config, Path(folder), settings.steps, settings.pairs),
            "machine": machine(),
        }
    keep_and_show(record, settings.results, "checkpoint_cost", about(record), tables(record))
    raise SystemExit(statistics.median(record["ratios"]) > MOST)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--steps", type=int, default=50, help="of a slice")
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--folder", help="where states are written; by default the system's folder for such files")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder for the record and its tables")
    return parser.parse_args()


def measure(config: TrainConfig, folder: Path, steps: int, pairs: int) -> dict[str, Any]:
    """Seconds of each slice, of each capture, and the ratios."""
    runtime.start_tensorflow()
    from sftkeras.backbones.fetching import fetch_backbone
    from sftkeras.data import load_data
    from sftkeras.training.position import Position
    from sftkeras.training.resume.run_state import RunState
    from sftkeras.training.resume.saving import StateWriter
    from sftkeras.training.resume.state_files import StateFiles
    from sftkeras.training.setup import set_up

    data = load_data(config.data, spec_of(config.task.kind).label_kind(config.task), config.seed, None)
    folders = fetch_backbone(
        config.backbone.handle, config.backbone.preprocessor, max_length=config.backbone.max_length
    )
    setup = set_up(config, data, folders)
    model, strategy = setup.model, setup.model.distribute_strategy
    model.make_train_function()
    state, writer = RunState(model, Position(setup.train.steps), {}), StateWriter(StateFiles(folder, keep=2))
    captures: list[float] = []

    def seconds_of_slice(count: int, saved_as: int | None) -> float:
        batches = iter(setup.train.distributed(range(1), strategy))
        began = time.perf_counter()
        if saved_as is not None:
            captured = state.capture(0, saved_as)
            captures.append(time.perf_counter() - began)
            writer.write(saved_as, captured)
            del captured  # as in `fit`: what somebody holds is copied when it changes
        assert model.train_function is not None
        for _ in range(count):
            logs = model.train_function(batches)
            float(logs["loss"])
        writer.wait()
        return time.perf_counter() - began

    seconds_of_slice(WARM_UP, None)
    seconds_of_slice(1, 0)
    captures.clear()
    without = [seconds_of_slice(steps, None)]
    with_state: list[float] = []
    for pair in range(pairs):
        with_state.append(seconds_of_slice(steps, pair + 1))
        without.append(seconds_of_slice(steps, None))
        print(f"{pair + 1} of {pairs}: {with_state[-1]:.2f} s with a state, {without[-1]:.2f} s without", flush=True)
    ratios = [
        slow / ((before + after) / 2) for slow, before, after in zip(with_state, without, without[1:], strict=False)
    ]
    size = max(path.stat().st_size for path in folder.glob("*.safetensors"))
    return {"with": with_state, "without": without, "captures": captures, "ratios": ratios, "bytes": size}


def about(record: dict[str, Any]) -> str:
    ratio = statistics.median(record["ratios"])
    return (
        f"{shown_machine(record)} A state of {record['bytes'] / 1e6:.0f} MB every {record['steps']} steps makes "
        f"training {ratio:.3f} times as long ({'within' if ratio <= MOST else 'above'} {MOST})."
    )


def tables(record: dict[str, Any]) -> list[Rows]:
    columns = ["", "median", "lowest", "highest"]
    names = {
        "with": (f"{record['steps']} steps with a state", "{:.2f} s"),
        "without": (f"{record['steps']} steps without", "{:.2f} s"),
        "captures": ("of it, capturing", "{:.3f} s"),
        "ratios": ("ratio", "{:.3f}"),
    }
    rows = [
        [title, *(form.format(of(record[name])) for of in (statistics.median, min, max))]
        for name, (title, form) in names.items()
    ]
    return [(columns, rows)]


if __name__ == "__main__":
    main()
