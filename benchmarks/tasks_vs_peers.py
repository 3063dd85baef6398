"""Two tasks on real data side by side with Hugging Face Trainer: entities in tweets, and sentiment in Chinese.

    python -m examples.prepare.chinese_sentiment && python -m examples.prepare.multilingual_e5    # data and encoder
    python benchmarks/tasks_vs_peers.py --peer_python .venv-bench/bin/python                      # 3 seeds of each
    python benchmarks/tasks_vs_peers.py --peer_python … --seeds 1 --tasks tweet-ner               # a quick look

Both train the same weights on the same rows with the same batch size, epochs, maximum length, learning rates, decay and
clipping, in float32, and evaluate the validation rows after each epoch. Both are evaluated on the same test rows by the
same measure: accuracy, or the F1 of entities whose characters and label are right. They take turns, each run in a fresh
process. A comparison is that of the two runs of one seed, and the figure is the mean over the seeds. The exit code is 1
if sftkeras is more than half a point below. How fast steps are is for steps_vs_peers.py to say.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from contenders import (
    HERE,
    Contender,
    Outcome,
    Peer,
    Recipe,
    Sftkeras,
    labelled_rows,
    pairs,
    read_rows,
    rows_of,
    take_turns,
    write_rows,
)
from peers.tag_spans import entities, entity_f1
from processes import environment
from records import Rows, deviation, keep_and_show, machine, mean, now, shown, shown_machine

from sftkeras.command_line import commands
from sftkeras.config import TrainConfig
from sftkeras.data import LabelledData, load_data
from sftkeras.tasks import spec_of

LEAST_POINTS = -0.5
MEASURES = {"entity_f1": "entity F1", "accuracy": "accuracy"}

Spans = list[tuple[int, int, str]]
"""Entities of a text: first character, character after the last, and label."""


@dataclass(frozen=True)
class Comparison:
    """A task as both do it.

    Attributes:
        name: of the example, examples/NAME.yaml.
        epochs: for both; neither stops early.
        measure: what the report of sftkeras calls the figure that is compared.
        program: the peer's, in peers/.
    """

    name: str
    epochs: int
    measure: str
    program: str


COMPARISONS = {
    one.name: one
    for one in (
        Comparison("tweet-ner", 6, "entity_f1", "hugging_face_tagging.py"),
        Comparison("chinese-sentiment", 1, "accuracy", "hugging_face.py"),
    )
}


def main() -> None:
    """Runs both contenders on each task with every seed, prints the comparison, and keeps it."""
    settings = arguments()
    record: dict[str, Any] = {"when": now(), "tasks": {}}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for name in settings.tasks:
            work = Path(settings.work or folder) / name
            work.mkdir(parents=True, exist_ok=True)
            record["tasks"][name] = compare(COMPARISONS[name], settings, work)
    record["machine"] = machine()
    keep_and_show(record, settings.results, "tasks_vs_peers", about(record), tables(record))
    raise SystemExit(not all(passes(task["figures"]) for task in record["tasks"].values()))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer_python", required=True, help="interpreter with torch, transformers and datasets")
    parser.add_argument("--tasks", nargs="+", choices=COMPARISONS, default=list(COMPARISONS))
    parser.add_argument(
        "--rows", type=int, default=3200, help="most rows to train on; half as many to test, an eighth to validate"
    )
    parser.add_argument("--seeds", type=int, default=3, help="runs of each contender")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder for the record and its tables")
    parser.add_argument("--work", help="folder for rows, logs and weights; by default one that is removed at the end")
    return parser.parse_args()


def compare(comparison: Comparison, settings: argparse.Namespace, work: Path) -> dict[str, Any]:
    """All runs of one task, and its figures."""
    example = HERE.parent / "examples" / f"{comparison.name}.yaml"
    config = commands.parse(TrainConfig, ["--config", str(example)])
    recipe = write_recipe(config, comparison, settings.rows, work)
    contenders: list[Contender] = [
        Sftkeras(example),
        Peer(
            "hugging_face",
            settings.peer_python,
            "torch, datasets; from transformers import Trainer",
            comparison.program,
        ),
    ]
    for contender in contenders:
        contender.warm_up()
    outcomes = []
    for own, outcome in take_turns(contenders, recipe, settings.seeds, work):
        score = test_score(comparison, own, outcome)
        outcomes.append({**asdict(outcome), "score": score})
        print(f"{comparison.name}, {outcome.contender} (seed {outcome.seed}): {score:.4f}", flush=True)
    given = {**asdict(recipe), "model": config.backbone.handle, "files": config.data.train}
    del given["output"]
    return {
        "recipe": given,
        "rows": {part: rows_of(file) for part, file in recipe.files.items()},
        "measure": comparison.measure,
        "outcomes": outcomes,
        "figures": figures(outcomes),
    }


# --- what both are given ---


def write_recipe(config: TrainConfig, comparison: Comparison, most: int, work: Path) -> Recipe:
    """Fetches weights and data, divides the rows as sftkeras does, draws some of them, and writes them to files."""
    data = load_data(config.data, spec_of(config.task.kind).label_kind(config.task), config.seed, None)
    random = np.random.default_rng(config.seed)
    limits = {"train": most, "validation": most // 8, "test": most // 2}
    files = {}
    for part, rows in data.splits.items():
        drawn = np.sort(random.permutation(rows)[: limits[part]])
        known = tagged_rows(data, drawn) if config.task.kind == "tagging" else labelled_rows(data, drawn)
        files[part] = write_rows(work / f"{part}.jsonl", known)
    names = list(data.label_names)
    if config.task.kind == "tagging":
        names = ["O", *(f"{prefix}-{name}" for name in names for prefix in "BI")]
    return Recipe.of(config, files=files, labels=names, epochs=comparison.epochs, output=str(work))


def tagged_rows(data: LabelledData, rows: np.ndarray) -> Iterator[dict[str, Any]]:
    """Texts with spans of characters, which sftkeras reads, and the same as words with tags, which its peer reads."""
    for text, spans in zip(data.examples.texts(rows), data.examples.labels[rows], strict=True):
        named = [(start, end, data.label_names[label]) for start, end, label in spans.tolist()]
        tokens = text.split(" ")
        tags = tags_of(places(tokens), named)
        if tagged_spans(tokens, tags) != named:
            raise SystemExit(f"An entity is no sequence of whole words: {text!r}, {named}")
        yield {"text": text, "spans": named, "tokens": tokens, "tags": tags}


def places(tokens: list[str]) -> list[tuple[int, int]]:
    """First character and character after the last of words that single spaces join."""
    ends = np.cumsum([len(token) + 1 for token in tokens]) - 1
    return [(int(end) - len(token), int(end)) for token, end in zip(tokens, ends, strict=True)]


def tags_of(words: list[tuple[int, int]], spans: Spans) -> list[str]:
    """The tag of each word."""
    tags = ["O"] * len(words)
    for start, end, label in spans:
        inside = [number for number, (first, last) in enumerate(words) if start < last and first < end]
        for number in inside:
            tags[number] = f"{'B' if number == inside[0] else 'I'}-{label}"
    return tags


def tagged_spans(tokens: list[str], tags: list[str]) -> Spans:
    """The spans of characters that tags mean."""
    words = places(tokens)
    return [(words[first][0], words[last - 1][1], label) for first, last, label in entities(tags)]


# --- what is found ---


def test_score(comparison: Comparison, recipe: Recipe, outcome: Outcome) -> float:
    """Score of a run's answers to the test rows, 0 to 1; the report of sftkeras must say the same."""
    score = entity_score(recipe, outcome.contender) if comparison.measure == "entity_f1" else outcome.accuracy
    assert score is not None
    if outcome.contender == "sftkeras":
        report = json.loads((Path(recipe.output) / "runs" / "comparison" / "report.json").read_text(encoding="utf-8"))
        said, rows = report["metrics"][comparison.measure], report["examples"]["test"]
        if abs(said - score) > 1e-6 or rows != rows_of(recipe.files["test"]):
            raise SystemExit(f"The report says {said} of {rows} rows, not {score} of {recipe.files['test']}")
    return score


def entity_score(recipe: Recipe, contender: str) -> float:
    rows = read_rows(recipe.files["test"])
    truth = [[tuple(span) for span in row["spans"]] for row in rows]
    if contender == "sftkeras":
        found = [[(one["start"], one["end"], one["label"]) for one in row["entities"]] for row in predicted(recipe)]
    else:
        tags = read_rows(Path(recipe.output) / "tags.jsonl")
        found = [tagged_spans(row["tokens"], answer) for row, answer in zip(rows, tags, strict=True)]
    return entity_f1(truth, found)


def predicted(recipe: Recipe) -> list[dict[str, Any]]:
    """Predictions of the version that sftkeras exported for the test rows."""
    output = Path(recipe.output)
    answers = output / "answers.jsonl"
    model = output / "saved_models" / "comparison"
    words = [sys.executable, "-m", "sftkeras.predict", "--model", str(model), "--file", recipe.files["test"]]
    subprocess.run([*words, "--output", str(answers)], env=environment(), check=True, capture_output=True)
    return read_rows(answers)


def figures(outcomes: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the seeds for each contender; how sftkeras compares with its peer, seed by seed and in the mean."""
    means: dict[str, dict[str, float | None]] = {}
    for name in dict.fromkeys(outcome["contender"] for outcome in outcomes):
        own = [outcome for outcome in outcomes if outcome["contender"] == name]
        means[name] = {key: mean([run[key] for run in own]) for key in ("seconds", "peak_memory", "score")}
        means[name]["score_deviation"] = deviation([run["score"] for run in own])
    by_seed = pairs(outcomes)
    compared = {
        "points": [100 * (ours["score"] - theirs["score"]) for ours, theirs in by_seed],
        "seconds": [ours["seconds"] / theirs["seconds"] for ours, theirs in by_seed],
    }
    return {"means": means, "each_seed": compared, "compared": {key: mean(each) for key, each in compared.items()}}


def passes(figures: dict[str, Any]) -> bool:
    return figures["compared"]["points"] >= LEAST_POINTS


# --- tables ---


def about(record: dict[str, Any]) -> str:
    outcomes = [outcome for task in record["tasks"].values() for outcome in task["outcomes"]]
    versions = {name: number for outcome in outcomes for name, number in outcome["versions"].items()}
    parts = [shown_machine(record)]
    for name, task in record["tasks"].items():
        recipe, rows = task["recipe"], task["rows"]
        seeds = len({outcome["seed"] for outcome in task["outcomes"]})
        parts.append(
            f"{name}: {rows['train']:,} rows to train, {rows['validation']:,} to validate, {rows['test']:,} to test, "
            f"{recipe['epochs']} {'epoch' if recipe['epochs'] == 1 else 'epochs'}, batches of {recipe['batch_size']}, "
            f"at most {recipe['max_length']} tokens, {seeds} {'seed' if seeds == 1 else 'seeds'}."
        )
    return " ".join(parts) + " " + ", ".join(f"{name} {number}" for name, number in versions.items()) + "."


def tables(record: dict[str, Any]) -> list[Rows]:
    """Results of each contender; how sftkeras compares."""
    who = ["", "", "on the test rows", "whole process", "peak memory"]
    wanted = f"at least {LEAST_POINTS} points"
    against = ["sftkeras against Hugging Face: mean (each seed)", "test rows", "whole time", wanted]
    tasks = record["tasks"].items()
    rows = [
        [name, contender, *means_shown(each, task["measure"])]
        for name, task in tasks
        for contender, each in task["figures"]["means"].items()
    ]
    return [(who, rows), (against, [[name, *comparison_shown(task["figures"])] for name, task in tasks])]


def means_shown(means: dict[str, float | None], measure: str) -> list[str]:
    score = shown(means["score"], ".4f") + shown(means["score_deviation"], ".4f", before=" ± ", missing="")
    return [
        f"{MEASURES[measure]} {score}",
        shown(means["seconds"], ".1f", " s"),
        shown(means["peak_memory"] and means["peak_memory"] / 2**20, ".0f", " MiB"),
    ]


def comparison_shown(figures: dict[str, Any]) -> list[str]:
    cells = []
    for key, form, unit in (("points", "+.2f", " points"), ("seconds", ".2f", " x")):
        each = ", ".join(f"{value:{form}}" for value in figures["each_seed"][key])
        cells.append(f"{figures['compared'][key]:{form}}{unit} ({each})")
    return [*cells, "yes" if passes(figures) else "no"]


if __name__ == "__main__":
    main()
