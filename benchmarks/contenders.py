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
from processes import HERE, environment

from sftkeras import runtime
from sftkeras.config import TrainConfig
from sftkeras.data import LabelledData
from sftkeras.handles import resolve

FIRST_STEPS = 20  # not counted in the steady speed: graphs are traced and compiled, memory is claimed


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
        most_steps: end plain KerasHub after so many steps; 0 trains it fully.
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
    most_steps: int = 0

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
            learning_rate=optimizer.learning_rate,
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
        seconds: from the start of the process to trained weights on disk; None if it was not trained fully.
        cpu_seconds: processor time it had used until then, over all threads.
        peak_memory: most resident bytes until then; None where the system does not report it.
        examples_per_second: steady speed of the training steps, with all that happens between them.
        accuracy: on the test rows, 0 to 1; None if the task has none.
        tokens: tokens of a training example, without padding; only sftkeras reports them.
        ceilings: matrix-multiply ceilings before and after, in GFLOP/s; only measured around sftkeras, if at all.
    """

    contender: str
    seed: int
    seconds: float | None
    cpu_seconds: float | None
    peak_memory: int | None
    examples_per_second: float
    accuracy: float | None
    tokens: float | None = None
    ceilings: list[dict[str, float]] = field(default_factory=list)
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
    """`python -m sftkeras.train`, as a user types it.

    Args:
        model_shape: hidden and intermediate size of the encoder whose ceilings are measured; None measures none.
    """

    name = "sftkeras"

    def __init__(self, config: Path, model_shape: tuple[int, int] | None = None) -> None:
        super().__init__(sys.executable, "tensorflow, keras_hub, tensorflow_text")
        self._config = config
        self._model_shape = model_shape

    def run(self, recipe: Recipe) -> Outcome:
        output = Path(recipe.output)
        words = [self.python, "-m", "sftkeras.train", "--config", str(self._config), *self._flags(recipe)]
        before = self._ceilings()
        process = watch(words, output, trained=re.compile("^Best epoch: "), SFTKERAS_CACHE=str(output / "cache"))
        ceilings = [*before, *self._ceilings()]
        report = json.loads((output / "runs" / "comparison" / "report.json").read_text(encoding="utf-8"))
        ends, tokens = read_steps(output / "runs" / "comparison" / "tensorboard", recipe)
        return Outcome(
            self.name,
            recipe.seed,
            **process.figures,
            examples_per_second=steady_speed(ends, recipe),
            accuracy=report["metrics"].get("accuracy"),
            tokens=tokens,
            ceilings=ceilings,
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

    def _ceilings(self) -> list[dict[str, float]]:
        if self._model_shape is None:
            return []
        hidden, intermediate = map(str, self._model_shape)
        shape = ["--hidden", hidden, "--intermediate", intermediate]
        words = [self.python, str(HERE / "ceiling.py"), *shape]
        answer = subprocess.run(words, env=environment(), check=True, capture_output=True, text=True)
        return [json.loads(answer.stdout)]


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
            **process.figures,
            examples_per_second=steady_speed(result["step_ends"], recipe),
            accuracy=result.get("accuracy"),
            versions=result["versions"],
        )


def take_turns(contenders: list[Contender], recipe: Recipe, seeds: int, work: Path) -> Iterator[tuple[Recipe, Outcome]]:
    """Runs all contenders with one seed, then with the next; who begins changes from seed to seed."""
    for turn in range(seeds):
        begins = turn % len(contenders)
        for contender in contenders[begins:] + contenders[:begins]:
            seed = recipe.seed + turn
            output = work / f"{contender.name}-{seed}"
            output.mkdir(parents=True, exist_ok=True)
            own = replace(recipe, seed=seed, output=str(output))
            os.sync()  # none waits for the disk to write what the one before has left
            yield own, contender.run(own)


@dataclass
class Watched:
    """A finished process: what it printed, and what it had used when its weights were trained."""

    lines: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(
        default_factory=lambda: dict.fromkeys(("seconds", "cpu_seconds", "peak_memory"), None)
    )


def watch(words: list[str], output: Path, *, trained: re.Pattern, **variables: str) -> Watched:
    """Runs a command; takes time, processor time and peak memory at the line that says that it has trained."""
    watched = Watched()
    log = output / "log.txt"
    with log.open("w", encoding="utf-8") as errors:
        began = time.perf_counter()
        process = subprocess.Popen(
            words, env=environment(**variables), stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8"
        )
        assert process.stdout is not None
        for line in process.stdout:
            if watched.figures["seconds"] is None and trained.search(line):
                seconds = time.perf_counter() - began
                used = psutil.Process(process.pid).cpu_times()
                watched.figures = {
                    "seconds": seconds,
                    "cpu_seconds": used.user + used.system,
                    "peak_memory": peak_memory(process.pid),
                }
            watched.lines.append(line)
            errors.write(line)
            errors.flush()
    if process.wait():
        raise SystemExit(f"{' '.join(words)}\nended with {process.returncode}; its log is {log}")
    return watched


def peak_memory(process: int) -> int | None:
    """Most memory that a living process ever held resident, in bytes; Linux only."""
    status = Path(f"/proc/{process}/status")
    if not status.exists():
        return None
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
    return int(found[1]) * 1024 if found else None


def read_steps(folder: Path, recipe: Recipe) -> tuple[list[list[float]], float]:
    """Reads from a run's TensorBoard files when each step ended, epoch by epoch, and the tokens of an example."""
    runtime.start_tensorflow()  # TensorBoard imports it, less quietly
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()

    def values(tag: str) -> list[float]:
        return [float(make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)]

    times = [event.wall_time for event in events.Tensors("step/loss")]
    steps = len(times) // recipe.epochs
    ends = [times[begin : begin + steps] for begin in range(0, len(times), steps)]
    per_second = zip(values("speed/tokens_per_second"), values("speed/examples_per_second"), strict=True)
    each = [tokens / examples for tokens, examples in per_second]
    return ends, sum(each) / len(each)


def steady_speed(ends: list[list[float]], recipe: Recipe) -> float:
    """Examples a second over all steps but the first, from one step's end to the next; evaluation is left out."""
    examples = rows_of(recipe.files["train"])
    done = seconds = 0.0
    for epoch, times in enumerate(ends):
        first = min(FIRST_STEPS, len(times) // 4) if epoch == 0 else 1
        done += min(len(times) * recipe.batch_size, examples) - first * recipe.batch_size
        seconds += times[-1] - times[first - 1]
    return done / seconds


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
