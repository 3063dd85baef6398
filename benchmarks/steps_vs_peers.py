"""Training steps side by side: sftkeras and PyTorch with transformers, in float32 and bfloat16, turn by turn.

    python benchmarks/steps_vs_peers.py --peer_python .venv-bench/bin/python                 # 12 rounds
    python benchmarks/steps_vs_peers.py --peer_python … --rounds 3                           # a quick look
    python benchmarks/steps_vs_peers.py --peer_python … --contenders sftkeras pytorch pytorch_compiled

All train the weights of the quickstart on the same batches: 32 rows, from 14 to 48 tokens, a mean of the tokens and a
linear head; forward, backward, clipping at the global norm, AdamW. None is timed unless all compute the same logits
before. Each is a process that lives through the whole measurement, has traced or compiled everything before the first
round, and has a turn of one step for each batch in every round, after one that is not counted; see turns.py. The figure
is the time of a turn against that of PyTorch in float32 in the same round.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from processes import HERE
from records import Rows, features, keep_and_show, machine, now, shown_machine
from steppers import Program, all_steppers, compare
from turns import OtherWork, Quartiles, Round, ratio, take_turns

from sftkeras.command_line import commands
from sftkeras.config import TrainConfig
from sftkeras.handles import resolve

CONFIG = HERE.parent / "examples" / "quickstart.yaml"
OURS, THEIRS = "sftkeras_steps.py", "peers/torch_steps.py"
BASE = "pytorch"
CONTENDERS = {
    "sftkeras": Program("sftkeras float32", OURS, ("float32",), is_peer=False),
    "sftkeras_bfloat16": Program("sftkeras mixed_bfloat16", OURS, ("mixed_bfloat16",), is_peer=False),
    BASE: Program("PyTorch float32", THEIRS, ("float32",), is_peer=True),
    "pytorch_bfloat16": Program("PyTorch autocast bfloat16", THEIRS, ("bfloat16",), is_peer=True),
    "pytorch_compiled": Program("torch.compile float32", THEIRS, ("float32", "compile"), is_peer=True),
    "pytorch_compiled_bfloat16": Program(
        "torch.compile autocast bfloat16", THEIRS, ("bfloat16", "compile"), is_peer=True
    ),
}
BASE_NAME = CONTENDERS[BASE].name
DEFAULT = ["sftkeras", BASE]
DEFAULT_BFLOAT16 = ["sftkeras_bfloat16", "pytorch_bfloat16"]  # where the processor multiplies such numbers itself
MOST_DIFFERENCE = {False: 1e-4, True: 0.02}  # of logits; by whether one of the two computes in bfloat16
ROWS, SHORTEST, LONGEST, BATCHES = 32, 14, 48, 8
HEAD_DROPOUT = 0.1  # as sftkeras has it for a classification
SPREAD = 2  # tokens by which rows of a batch differ, as they do in batches of similar lengths


def main() -> None:
    """Runs all rounds, prints the comparison, and keeps it."""
    settings = arguments()
    config = commands.parse(TrainConfig, ["--config", str(settings.config)])
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        recipe = write_recipe(config, Path(folder))
        programs = [CONTENDERS[key] for key in settings.contenders]
        steppers = all_steppers(programs, recipe, Path(folder), batches=BATCHES, peer_python=settings.peer_python)
        with steppers as (contenders, ready):
            compare(ready, "logits", BASE_NAME, MOST_DIFFERENCE)
            with OtherWork(contender.worker.pid for contender in contenders) as others:
                rounds = take_turns(contenders, settings.rounds, "Steps")
    record = {
        "when": now(),
        "machine": machine(),
        "others": others.share,
        "ratios": ratios(rounds),
        "seconds_before_the_first_turn": {name: each["seconds"] for name, each in ready.items()},
        "rounds": rounds,
    }
    keep_and_show(record, settings.results, "steps_vs_peers", about(record), tables(record))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer_python", required=True, help="interpreter with torch and transformers")
    parser.add_argument("--config", type=Path, default=CONFIG, help="whose encoder and optimizer are taken")
    default = DEFAULT + (DEFAULT_BFLOAT16 if {"amx_bf16", "avx512_bf16"} & set(features()) else [])
    parser.add_argument(
        "--contenders",
        nargs="+",
        choices=CONTENDERS,
        default=default,
        help="by default those without compiling; bfloat16 only where the processor has instructions for it",
    )
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder for the record and its tables")
    settings = parser.parse_args()
    if BASE not in settings.contenders:
        parser.error(f"all are compared with {BASE}, which must be among the contenders")
    return settings


def write_recipe(config: TrainConfig, folder: Path) -> Path:
    """Writes what all contenders read: weights, optimizer, head and batches."""
    model = resolve(config.backbone.handle)
    shape = json.loads((model / "config.json").read_text(encoding="utf-8"))
    random = np.random.default_rng(config.seed)
    arrays: dict[str, Any] = {
        "kernel": random.normal(0, 0.02, (shape["hidden_size"], 2)).astype(np.float32),
        "bias": np.zeros(2, np.float32),
    }
    for number, length in enumerate(np.linspace(SHORTEST, LONGEST, BATCHES).round().astype(int)):
        lengths = np.append(random.integers(length - SPREAD, length + 1, ROWS - 1), length)
        mask = (np.arange(length) < lengths[:, None]).astype(np.int32)
        ids = random.integers(shape["vocab_size"] // 30, shape["vocab_size"], (ROWS, length)).astype(np.int32)
        arrays |= {f"ids_{number}": ids * mask, f"mask_{number}": mask}
        arrays[f"labels_{number}"] = random.integers(0, 2, ROWS).astype(np.int32)
    np.savez(folder / "batches.npz", **arrays)
    names = ("learning_rate", "weight_decay", "beta_1", "beta_2", "epsilon", "clip_norm")
    recipe = {
        "model": str(model),
        "max_length": LONGEST,
        "batches": str(folder / "batches.npz"),
        "batch_count": BATCHES,
        "head_dropout": HEAD_DROPOUT,
        **{name: getattr(config.optimizer, name) for name in names},
    }
    (folder / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")
    return folder / "recipe.json"


def ratios(rounds: list[Round]) -> dict[str, Any]:
    """Compares each contender's steps with the base's."""
    others = [name for name in rounds[0] if name != BASE_NAME]
    return {figure_of(name): asdict(ratio(rounds, float, name, BASE_NAME)) for name in others}


def figure_of(name: str) -> str:
    return f"time of a step, {name} to {BASE_NAME}"


def about(record: dict[str, Any]) -> str:
    return (
        f"{shown_machine(record)} {len(record['rounds'])} rounds of {BATCHES} steps, {ROWS} rows each, "
        f"{SHORTEST} to {LONGEST} tokens. Ratios: median (quartiles) of the rounds."
    )


def tables(record: dict[str, Any]) -> list[Rows]:
    columns = ["", "ratio", "ms, median", "s from imports to the first turn"]
    rows = []
    for name, before in record["seconds_before_the_first_turn"].items():
        compared = record["ratios"].get(figure_of(name))
        median = statistics.median(each[name] for each in record["rounds"]) / BATCHES
        shown = Quartiles(**compared).shown() if compared else "1"
        rows.append([name, shown, f"{median * 1e3:.0f}", f"{before:.0f}"])
    return [(columns, rows)]


if __name__ == "__main__":
    main()
