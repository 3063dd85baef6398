"""Fine-tuning side by side: sftkeras, Hugging Face Trainer on PyTorch, and a plain KerasHub classifier.

    python benchmarks/train_vs_peers.py --peer_python .venv-bench/bin/python                # 3 seeds of each
    python benchmarks/train_vs_peers.py --peer_python … --seeds 1 --keras_hub_steps 60      # a quick look

All train the same weights on the same rows with the same batch size, epochs, maximum length, learning rates and decay,
in float32, and evaluate the validation rows after each epoch. Each run is a fresh process with empty caches for data
and tokens (downloads are there already). Its whole time goes from the start of the process to trained weights on disk:
imports, reading, tokenising, building, training, evaluating. Steady speed is that of the training steps alone, after
the first. The contenders take turns, so that whatever else the machine does meets them alike; even so, only the ratios
of one run mean something, not its seconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from contenders import HERE, Contender, Outcome, Peer, Recipe, Sftkeras, labelled_rows, take_turns, write_rows
from records import Rows, deviation, difference, keep, machine, mean, now, ratio, show, shown, shown_machine

from sftkeras.command_line import commands
from sftkeras.config import TrainConfig
from sftkeras.data import load_data
from sftkeras.tasks import spec_of

CONFIG = HERE.parent / "examples" / "quickstart.yaml"
EPOCHS = 2
NAMES = ["sftkeras", "hugging_face", "keras_hub"]


def main() -> None:
    """Runs every contender with every seed, prints the comparison, and keeps it."""
    settings = arguments()
    config = commands.parse(TrainConfig, ["--config", str(settings.config)])
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        work = Path(settings.work or folder)
        work.mkdir(parents=True, exist_ok=True)
        recipe = write_recipe(config, work, settings)
        contenders = make_contenders(settings, recipe)
        for contender in contenders:
            contender.warm_up()
        outcomes = []
        for _, outcome in take_turns(contenders, recipe, settings.seeds, work):
            outcomes.append(outcome)
            print(describe(outcome), flush=True)
        record = {
            "when": now(),
            "machine": machine(),
            "recipe": {**asdict(recipe), "model": config.backbone.handle, "files": config.data.train},
            "flops_per_example": flops_per_example(shape_of(recipe.model), outcomes),
            "outcomes": [asdict(outcome) for outcome in outcomes],
        }
    record["figures"] = figures(record)
    keep(record, settings.results, "train_vs_peers", about(record), tables(record))
    show(about(record), tables(record))
    print(f"Kept in {settings.results}. Timings on shared machines are noisy: the ratios of one run are what counts.")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer_python", help="interpreter with torch, transformers, accelerate and datasets")
    parser.add_argument("--config", type=Path, default=CONFIG, help="a classification of single texts")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seeds", type=int, default=3, help="runs of each contender")
    parser.add_argument("--contenders", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--keras_hub_steps", type=int, default=0, help="end KerasHub after so many steps; 0: never")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder for the record and its tables")
    parser.add_argument("--work", help="folder for rows, logs and weights; by default one that is removed at the end")
    settings = parser.parse_args()
    if "hugging_face" in settings.contenders and not settings.peer_python:
        parser.error("--peer_python is needed for hugging_face; `make bench` makes an environment for it")
    return settings


def write_recipe(config: TrainConfig, work: Path, settings: argparse.Namespace) -> Recipe:
    """Fetches weights and data, divides the rows as sftkeras does, and writes them to files for all."""
    if config.task.kind != "classification":
        raise SystemExit("The peers know classification only.")
    data = load_data(config.data, spec_of(config.task.kind).label_kind(config.task), config.seed, None)
    splits = data.splits.items()
    files = {part: write_rows(work / f"{part}.jsonl", labelled_rows(data, rows)) for part, rows in splits}
    return Recipe.of(
        config,
        files=files,
        labels=list(data.label_names),
        epochs=settings.epochs,
        output=str(work),
        most_steps=settings.keras_hub_steps,
    )


def make_contenders(settings: argparse.Namespace, recipe: Recipe) -> list[Contender]:
    shape = shape_of(recipe.model)
    ours = Sftkeras(settings.config, (shape["hidden_size"], shape["intermediate_size"]))
    known = {
        "sftkeras": lambda: ours,
        "hugging_face": lambda: Peer(
            "hugging_face", settings.peer_python, "torch, datasets; from transformers import Trainer", "hugging_face.py"
        ),
        "keras_hub": lambda: Peer("keras_hub", ours.python, ours.imports, "keras_hub_classifier.py"),
    }
    return [known[name]() for name in settings.contenders]


def shape_of(model: str) -> dict[str, int]:
    """The encoder's sizes, by Hugging Face's names."""
    return json.loads((Path(model) / "config.json").read_text(encoding="utf-8"))


def flops_per_example(shape: dict[str, int], outcomes: list[Outcome]) -> float | None:
    """Arithmetic of one training example with no padding: a forward pass, and two as large for the gradients."""
    tokens = next((outcome.tokens for outcome in outcomes if outcome.tokens), None)
    if tokens is None:
        return None
    hidden, inner = shape["hidden_size"], shape["intermediate_size"]
    dense = 2 * tokens * (4 * hidden**2 + 2 * hidden * inner)
    attention = 4 * tokens**2 * hidden
    return 3 * shape["num_hidden_layers"] * (dense + attention)


def figures(record: dict[str, Any]) -> dict[str, Any]:
    """Means over the seeds for each contender, and what the comparison is about: ratios."""
    means: dict[str, dict[str, float | None]] = {}
    for name in dict.fromkeys(outcome["contender"] for outcome in record["outcomes"]):
        runs = [outcome for outcome in record["outcomes"] if outcome["contender"] == name]
        keys = ("seconds", "cpu_seconds", "peak_memory", "examples_per_second", "accuracy")
        means[name] = {key: mean([run[key] for run in runs]) for key in keys}
        means[name]["accuracy_deviation"] = deviation([run["accuracy"] for run in runs])
    ours, ceiling = means.get("sftkeras", {}), ceilings(record["outcomes"])
    gflops = None
    if ours and record["flops_per_example"]:
        gflops = record["flops_per_example"] * (ours["examples_per_second"] or 0) / 1e9
    ratios = {
        name: {
            "seconds": ratio(ours.get("seconds"), peer["seconds"]),
            "cpu_seconds": ratio(ours.get("cpu_seconds"), peer["cpu_seconds"]),
            "examples_per_second": ratio(ours.get("examples_per_second"), peer["examples_per_second"]),
            "accuracy_points": difference(ours.get("accuracy"), peer["accuracy"]),
        }
        for name, peer in means.items()
        if name != "sftkeras"
    }
    return {
        "means": means,
        "ratios": ratios,
        "gflops": gflops,
        "ceilings": ceiling,
        "share_of_ceiling": {name: ratio(gflops, value) for name, value in ceiling.items()},
    }


def ceilings(outcomes: list[dict[str, Any]]) -> dict[str, float]:
    measured = [ceiling for outcome in outcomes for ceiling in outcome["ceilings"]]
    return {name: statistics.mean(each[name] for each in measured) for name in (measured[0] if measured else {})}


def describe(outcome: Outcome) -> str:
    return (
        f"{outcome.contender} (seed {outcome.seed}): {shown(outcome.seconds, '.1f')} s, "
        f"{outcome.examples_per_second:.1f} examples/s, accuracy {shown(outcome.accuracy, '.4f')}"
    )


def about(record: dict[str, Any]) -> str:
    recipe = record["recipe"]
    versions = {name: number for outcome in record["outcomes"] for name, number in outcome["versions"].items()}
    seeds = len({outcome["seed"] for outcome in record["outcomes"]})
    return (
        f"{shown_machine(record)} "
        f"{recipe['epochs']} epochs, batches of {recipe['batch_size']}, at most {recipe['max_length']} tokens, "
        f"{seeds} {'seed' if seeds == 1 else 'seeds'}. "
        + ", ".join(f"{name} {number}" for name, number in versions.items())
        + "."
    )


def tables(record: dict[str, Any]) -> list[Rows]:
    """Results of each contender; how sftkeras compares; how near it comes to the machine's limit."""
    found = record["figures"]
    who = ["", "whole process", "processor time", "steady", "peak memory", "test accuracy"]
    rows = [
        [
            name,
            shown(each["seconds"], ".1f", " s"),
            shown(each["cpu_seconds"], ".0f", " s"),
            shown(each["examples_per_second"], ".1f", " examples/s"),
            shown(each["peak_memory"] and each["peak_memory"] / 2**20, ".0f", " MiB"),
            shown(each["accuracy"], ".4f") + shown(each["accuracy_deviation"], ".4f", before=" ± ", missing=""),
        ]
        for name, each in found["means"].items()
    ]
    against = ["sftkeras against", "whole time", "processor time", "steady speed", "accuracy"]
    ratios = [
        [
            name,
            shown(each["seconds"], ".2f", " x"),
            shown(each["cpu_seconds"], ".2f", " x"),
            shown(each["examples_per_second"], ".2f", " x"),
            shown(each["accuracy_points"], "+.2f", " points"),
        ]
        for name, each in found["ratios"].items()
    ]
    names = {"square": "2048 x 2048 x 2048", "model": "products of the model"}
    limits = [
        [f"{names[name]}: {value:.0f} GFLOP/s", shown(found["gflops"], ".0f"), f"{found['share_of_ceiling'][name]:.0%}"]
        for name, value in found["ceilings"].items()
    ]
    limit = ["ceiling of matrix products", "sftkeras, padding not counted, GFLOP/s", "share"]
    return [table for table in ((who, rows), (against, ratios), (limit, limits)) if table[1]]


if __name__ == "__main__":
    main()
