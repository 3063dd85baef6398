"""The contenders in training: how each is started, and what is read of it from outside. No tables here."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from processes import HERE, cpu_seconds, environment
from turns import order

from sftkeras import runtime
from sftkeras.config import TrainConfig
from sftkeras.data import LabelledData
from sftkeras.handles import resolve


@dataclass(frozen=True)
class Recipe:
    """Settings of every contender; the peers read them as JSON.

    Attributes:
        model: folder of the pretrained weights.
        files: "train", "validation" and "test", each a JSON Lines file. Rows to classify have text, label (a word) and
            class (a number); rows to tag have text and spans of characters, and the same as tokens (words) and tags.
        labels: names of the classes, or of the tags.
        evaluation_batch_size: as sftkeras evaluates.
        warmup: share of all steps.
        output: folder for what the contender writes.
    """

    model: str
    files: dict[str, str]
    labels: list[str]
    epochs: int
    batch_size: int
    evaluation_batch_size: int
    max_length: int
    learning_rate: float
    warmup: float
    weight_decay: float
    clip_norm: float
    beta_1: float
    beta_2: float
    epsilon: float
    seed: int
    output: str

    @classmethod
    def of(cls, config: TrainConfig, **others: Any) -> Recipe:
        """The settings of an example, and what it does not say.

        Raises:
            SystemExit: the peers do not know these settings.
        """
        optimizer = config.optimizer
        if (optimizer.name, optimizer.schedule) != ("adamw", "linear"):
            raise SystemExit("The peers know adamw with a linear schedule only.")
        return cls(
            model=str(resolve(config.backbone.handle)),
            batch_size=config.training.batch_size,
            evaluation_batch_size=2 * config.training.batch_size,
            max_length=config.backbone.max_length,
            learning_rate=optimizer.peak,
            warmup=optimizer.warmup,
            weight_decay=optimizer.weight_decay,
            clip_norm=optimizer.clip_norm or float("inf"),
            beta_1=optimizer.beta_1,
            beta_2=optimizer.beta_2,
            epsilon=optimizer.epsilon,
            seed=config.seed,
            **others,
        )


@dataclass(frozen=True)
class Outcome:
    """One contender's run.

    Attributes:
        seconds: from the start of the process to trained weights on disk.
        before: seconds from the start of the process to the end of its first step.
        after: seconds from the end of its last step to the end of the process.
        cpu_seconds: processor time it had used when its weights were trained, over all threads.
        peak_memory: most resident bytes until then; None where the system does not report it.
        accuracy: on the test rows, 0 to 1; None if the task has none.
    """

    contender: str
    seed: int
    seconds: float
    before: float
    after: float
    cpu_seconds: float
    peak_memory: int | None
    accuracy: float | None
    versions: dict[str, str] = field(default_factory=dict)


class Contender:
    """Someone who trains from a `Recipe`, in a process that gets nothing but its command line."""

    name = ""

    def __init__(self, python: str, imports: str) -> None:
        self.python = python
        self.imports = imports

    def warm_up(self) -> None:
        """Reads the libraries once, so that no timed run waits for the disk."""
        subprocess.run([self.python, "-c", f"import {self.imports}"], check=True, stderr=subprocess.DEVNULL)

    def run(self, recipe: Recipe) -> Outcome:
        """Trains once.

        Raises:
            SystemExit: the process failed; names its log.
        """
        raise NotImplementedError


class Sftkeras(Contender):
    """`python -m sftkeras.train`, as a user types it."""

    name = "sftkeras"

    def __init__(self, config: Path) -> None:
        super().__init__(sys.executable, "tensorflow, keras_hub, tensorflow_text")
        self._config = config

    def run(self, recipe: Recipe) -> Outcome:
        output = Path(recipe.output)
        words = [self.python, "-m", "sftkeras.train", "--config", str(self._config), *self._flags(recipe)]
        process = watch(words, output, trained=re.compile("^Best epoch: "), SFTKERAS_CACHE=str(output / "cache"))
        report = json.loads((output / "runs" / "comparison" / "report.json").read_text(encoding="utf-8"))
        return Outcome(
            self.name,
            recipe.seed,
            **process.figures(step_ends(output / "runs" / "comparison" / "tensorboard")),
            accuracy=report["metrics"].get("accuracy"),
            versions=report["versions"],
        )

    def _flags(self, recipe: Recipe) -> list[str]:
        """Everything in which the comparison differs from the example's own settings."""
        output = Path(recipe.output)
        flags = {
            "name": "comparison",
            "seed": recipe.seed,
            "runs": output / "runs",
            "export.folder": output / "saved_models",
            "backbone.handle": recipe.model,
            "data.where": "null",
            "data.label_names": "null",
            "training.epochs": recipe.epochs,
            "training.early_stopping.patience": "null",
            "report.baselines": "false",
            **{f"data.{part}": path for part, path in recipe.files.items()},
        }
        return [word for name, value in flags.items() for word in (f"--{name}", str(value))]


class Peer(Contender):
    """A program in peers/ that takes a recipe, prints TRAINED, then RESULT and JSON."""

    def __init__(self, name: str, python: str, imports: str, program: str) -> None:
        super().__init__(python, imports)
        self.name = name
        self._program = HERE / "peers" / program

    def run(self, recipe: Recipe) -> Outcome:
        output = Path(recipe.output)
        file = output / "recipe.json"
        file.write_text(json.dumps(asdict(recipe)), encoding="utf-8")
        process = watch(
            [self.python, str(self._program), str(file)],
            output,
            trained=re.compile("^TRAINED"),
            HF_HOME=str(output / "cache"),
            HF_HUB_OFFLINE="1",
        )
        result = json.loads(next(line for line in process.lines if line.startswith("RESULT ")).removeprefix("RESULT "))
        return Outcome(
            self.name,
            recipe.seed,
            **process.figures(result["step_ends"]),
            accuracy=result.get("accuracy"),
            versions=result["versions"],
        )


def take_turns(contenders: list[Contender], recipe: Recipe, seeds: int, work: Path) -> Iterator[tuple[Recipe, Outcome]]:
    """Runs all contenders with one seed, then with the next; the order changes from seed to seed."""
    known = {contender.name: contender for contender in contenders}
    for turn in range(seeds):
        for name in order(list(known), turn):
            seed = recipe.seed + turn
            output = work / f"{name}-{seed}"
            output.mkdir(parents=True, exist_ok=True)
            own = replace(recipe, seed=seed, output=str(output))
            os.sync()  # none waits for the disk to write what the one before has left
            yield own, known[name].run(own)


def pairs(outcomes: list[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The runs of sftkeras and of its peer with the same seed, each the fields of its `Outcome` and what was added."""
    found = {(outcome["contender"], outcome["seed"]): outcome for outcome in outcomes}
    seeds = sorted({seed for _, seed in found})
    return [(found["sftkeras", seed], found["hugging_face", seed]) for seed in seeds]


@dataclass
class Watched:
    """A finished process: what it printed, and when.

    Attributes:
        began: when it was started, in seconds since 1970, as all moments here.
        trained: when its weights were trained.
        ended: when it ended.
        used: processor time and peak memory when its weights were trained.
    """

    began: float
    trained: float = 0.0
    ended: float = 0.0
    used: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def figures(self, step_ends: list[float]) -> dict[str, Any]:
        """The fields of an `Outcome` that follow from the times at which the steps ended."""
        moments = {
            "seconds": self.trained - self.began,
            "before": step_ends[0] - self.began,
            "after": self.ended - step_ends[-1],
        }
        return moments | self.used


def watch(words: list[str], output: Path, *, trained: re.Pattern, **variables: str) -> Watched:
    """Runs a command; takes time, processor time and peak memory at the line that says that it has trained.

    Raises:
        SystemExit: it failed; names its log.
    """
    log = output / "log.txt"
    with log.open("w", encoding="utf-8") as errors:
        watched = Watched(time.time())
        process = subprocess.Popen(
            words, env=environment(**variables), stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8"
        )
        assert process.stdout is not None
        for line in process.stdout:
            if not watched.trained and trained.search(line):
                watched.trained = time.time()
                used = cpu_seconds(psutil.Process(process.pid))
                watched.used = {"cpu_seconds": used, "peak_memory": peak_memory(process.pid)}
            watched.lines.append(line)
            errors.write(line)
            errors.flush()
        failed = process.wait()
        watched.ended = time.time()
    if failed or not watched.trained:
        raise SystemExit(f"{' '.join(words)}\nended with {failed}; its log is {log}")
    return watched


def peak_memory(process: int) -> int | None:
    """Most memory that a living process ever held resident, in bytes; Linux only."""
    status = Path(f"/proc/{process}/status")
    if not status.exists():
        return None
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
    return int(found[1]) * 1024 if found else None


def step_ends(folder: Path) -> list[float]:
    """When each step ended, by a run's TensorBoard files."""
    runtime.start_tensorflow()  # TensorBoard imports it, less quietly
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    return [event.wall_time for event in events.Tensors("step/loss")]


def labelled_rows(data: LabelledData, rows: np.ndarray) -> Iterator[dict[str, Any]]:
    """Rows to classify."""
    for text, label in zip(data.examples.texts(rows), data.examples.labels[rows].tolist(), strict=True):
        yield {"text": text, "label": data.label_names[label], "class": label}


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> str:
    """Writes JSON Lines and returns the file's name."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return str(path)


def read_rows(path: str | Path) -> list[dict[str, Any]]:
    """Reads JSON Lines."""
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def rows_of(path: str) -> int:
    """Lines of a file."""
    with open(path, encoding="utf-8") as file:
        return sum(1 for _ in file)
