"""Whole runs side by side with Hugging Face Trainer: their fixed costs, or their whole time, memory and accuracy.

    python benchmarks/train_vs_peers.py --peer_python .venv-bench/bin/python             # fixed costs, 5 starts of each
    python benchmarks/train_vs_peers.py --peer_python .venv-bench/bin/python --whole     # 2 epochs, 3 starts of each

Both train the weights of the quickstart on the same rows with the same batch size, epochs, maximum length, learning
rates and decay, in float32, and evaluate the validation rows after each epoch and the test rows at the end. Each run is
a fresh process with empty caches for data and tokens (downloads are there already); they take turns, in an order that
changes from start to start. A ratio is formed of two runs with the same seed; the figure is the median over the starts.

The fixed costs are the time from the start of the process to the end of its first step, and from the end of the last
step to the end of the process; what is between is what steps_vs_peers.py measures. They are taken from short runs, of
--rows rows to train and all others to validate and test. With --whole all rows are trained on.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from contenders import HERE, Contender, Outcome, Peer, Recipe, Sftkeras, labelled_rows, pairs, take_turns, write_rows
from records import Rows, deviation, keep_and_show, machine, mean, now, shown, shown_machine
from rich.console import Console
from turns import OtherWork, Quartiles

from sftkeras.bars import Bars
from sftkeras.command_line import commands
from sftkeras.config import TrainConfig
from sftkeras.data import load_data
from sftkeras.tasks import spec_of

CONFIG = HERE.parent / "examples" / "quickstart.yaml"
FIXED = {"before the first step": "before", "after the last step": "after"}
WHOLE = {"whole process": "seconds", "processor time": "cpu_seconds", "peak memory": "peak_memory"}


def main() -> None:
    """Runs both contenders with every seed, prints the comparison, and keeps it."""
    settings = arguments()
    config = commands.parse(TrainConfig, ["--config", str(settings.config)])
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        work = Path(settings.work or folder)
        work.mkdir(parents=True, exist_ok=True)
        recipe = write_recipe(config, work, settings)
        with OtherWork() as others:
            outcomes = [asdict(outcome) for outcome in run_all(settings, recipe, work)]
    record = {
        "when": now(),
        "machine": machine(),
        "others": others.share,
        "recipe": {**asdict(recipe), "model": config.backbone.handle, "files": config.data.train},
        "rows": settings.rows,
        "ratios": ratios(outcomes, WHOLE if settings.whole else FIXED),
        "outcomes": outcomes,
    }
    name = "train_vs_peers" if settings.whole else "fixed_costs"
    keep_and_show(record, settings.results, name, about(record), tables(record))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--peer_python", required=True, help="interpreter with torch, transformers, datasets, accelerate"
    )
    parser.add_argument("--config", type=Path, default=CONFIG, help="a classification of single texts")
    parser.add_argument("--whole", action="store_true", help="compare whole runs on all rows")
    parser.add_argument("--starts", type=int, help="runs of each contender; by default 5, or 3 whole ones")
    parser.add_argument("--epochs", type=int, help="by default 1, or 2 of whole runs")
    parser.add_argument("--rows", type=int, default=640, help="rows to train on where the fixed costs are measured")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder for the record and its tables")
    parser.add_argument("--work", help="folder for rows, logs and weights; by default one that is removed at the end")
    settings = parser.parse_args()
    settings.starts = settings.starts or (3 if settings.whole else 5)
    settings.epochs = settings.epochs or (2 if settings.whole else 1)
    settings.rows = None if settings.whole else settings.rows
    return settings


def write_recipe(config: TrainConfig, work: Path, settings: argparse.Namespace) -> Recipe:
    """Fetches weights and data, divides the rows as sftkeras does, and writes them to files for all."""
    if config.task.kind != "classification":
        raise SystemExit("The peers know classification only.")
    data = load_data(config.data, spec_of(config.task.kind).label_kind(config.task), config.seed, None)
    splits = {**data.splits, "train": drawn(data.splits["train"], settings.rows, config.seed)}
    files = {part: write_rows(work / f"{part}.jsonl", labelled_rows(data, rows)) for part, rows in splits.items()}
    return Recipe.of(config, files=files, labels=list(data.label_names), epochs=settings.epochs, output=str(work))


def drawn(rows: np.ndarray, most: int | None, seed: int) -> np.ndarray:
    """So many of the rows, in their order."""
    return np.sort(np.random.default_rng(seed).permutation(rows)[:most])


def run_all(settings: argparse.Namespace, recipe: Recipe, work: Path) -> list[Outcome]:
    """Every contender with every seed."""
    imports = "torch, datasets; from transformers import Trainer"
    contenders: list[Contender] = [
        Sftkeras(settings.config),
        Peer("hugging_face", settings.peer_python, imports, "hugging_face.py"),
    ]
    outcomes = []
    with Bars(*Bars.get_default_columns(), console=Console(stderr=True)) as bars:
        bar = bars.add_task("Runs", total=settings.starts * len(contenders))
        for contender in contenders:
            contender.warm_up()
        for _, outcome in take_turns(contenders, recipe, settings.starts, work):
            outcomes.append(outcome)
            bars.advance(bar)
    return outcomes


def ratios(outcomes: list[dict[str, Any]], figures: dict[str, str]) -> dict[str, Any]:
    """Compares sftkeras with its peer, pair by pair."""
    found = {}
    for name, key in figures.items():
        known = [(ours[key], theirs[key]) for ours, theirs in pairs(outcomes) if ours[key]]
        if known:
            found[f"{name}, sftkeras to hugging_face"] = asdict(Quartiles.of([mine / other for mine, other in known]))
    return found


def about(record: dict[str, Any]) -> str:
    recipe, outcomes = record["recipe"], record["outcomes"]
    versions = {name: number for outcome in outcomes for name, number in outcome["versions"].items()}
    starts = len({outcome["seed"] for outcome in outcomes})
    rows = f"{record['rows']} rows" if record["rows"] else "all rows"
    return (
        f"{shown_machine(record)} {rows}, {recipe['epochs']} {'epoch' if recipe['epochs'] == 1 else 'epochs'}, batches "
        f"of {recipe['batch_size']}, at most {recipe['max_length']} tokens, {starts} starts. "
        + ", ".join(f"{name} {number}" for name, number in versions.items())
        + "."
    )


def tables(record: dict[str, Any]) -> list[Rows]:
    """Results of each contender; how sftkeras compares."""
    who = ["", *FIXED, *WHOLE, "test accuracy"]
    rows = []
    for name in dict.fromkeys(outcome["contender"] for outcome in record["outcomes"]):
        runs = [outcome for outcome in record["outcomes"] if outcome["contender"] == name]
        seconds = [Quartiles.of([run[key] for run in runs]) for key in ("before", "after", "seconds", "cpu_seconds")]
        memory, accuracy = (mean([run[key] for run in runs]) for key in ("peak_memory", "accuracy"))
        spread = shown(deviation([run["accuracy"] for run in runs]), ".4f", before=" ± ", missing="")
        rows.append(
            [
                name,
                *(f"{each.median:.1f} s ({each.low:.1f} to {each.high:.1f})" for each in seconds),
                shown(memory and memory / 2**20, ".0f", " MiB"),
                shown(accuracy, ".4f") + spread,
            ]
        )
    compared = [[name, Quartiles(**each).shown()] for name, each in record["ratios"].items()]
    return [(who, rows), (["ratio", "median (quartiles)"], compared)]


if __name__ == "__main__":
    main()
