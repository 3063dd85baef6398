"""Vectors of many short texts: `python -m sftkeras.predict --file` and sentence-transformers' `encode`, side by side.

    python benchmarks/predict_vs_peers.py --peer_python .venv-bench/bin/python              # turns, 8 rounds
    python benchmarks/predict_vs_peers.py --peer_python … --whole 1                         # and whole processes

Both give the vectors of the quickstart's encoder as it was published, the mean of the token vectors and of length one,
in batches of 32, in float32. Nothing is timed unless their vectors agree. The texts are the beginnings of reviews, 4 to
32 words, each asked once. Of sftkeras all is timed from reading the file of texts to the finished Parquet file of texts
and vectors, of sentence-transformers `encode` alone, from a list of strings to an array.

The steady rate is that of processes that have loaded their model and take turns, as turns.py describes; a ratio is
formed of two turns of one round, and the figure is the median over the rounds, with the quartiles. With --whole each
also starts --whole times as a process of its own, for all of 20,000 texts: imports and loading are timed too, and that
the vectors are saved.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from processes import HERE, Worker, environment
from records import Rows, keep_and_show, machine, now, shown_machine
from turns import OtherWork, Quartiles, Round, beside_goals, order, take_turns, used_by

from sftkeras.command_line import commands
from sftkeras.config import TrainConfig
from sftkeras.data import load_data
from sftkeras.handles import resolve
from sftkeras.tasks import spec_of

CONFIG = HERE.parent / "examples" / "quickstart.yaml"
OURS, THEIRS = "sftkeras, predict --file", "sentence-transformers, encode"
TEXTS = 20_000  # of a whole process
WORDS = (4, 32)  # of a text
MAX_LENGTH = 128
MOST_DIFFERENCE = 1e-5  # between two numbers of a vector


@dataclass(frozen=True)
class Goal:
    """Bound of a ratio."""

    name: str
    bound: float
    most: bool = False


STEADY = Goal(f"texts/s, {OURS} to {THEIRS}, steady", 1.3)
WHOLE = Goal(f"texts/s, {OURS} to {THEIRS}, whole process", 1.3)


@dataclass(frozen=True)
class Turn:
    """Texts a second, and processor time of a text, of all threads."""

    rate: float
    cpu_seconds: float


@dataclass(frozen=True)
class Contender:
    """A process that gives vectors, turn by turn.

    Attributes:
        name: in the tables.
        worker: is asked.
        processes: the leaders of all process groups that work.
        ending: of the files that it writes.
        texts: a file for each round, and one for the turn before.
    """

    name: str
    worker: Worker
    processes: Sequence[int]
    ending: str
    texts: Sequence[Path]

    def take_turn(self, number: int) -> Turn:
        """Gives the vectors of the round's texts."""
        file, before = self.texts[number], used_by(self.processes)
        seconds = self.worker.ask(texts=str(file), output=str(self.output(number)))
        texts = len(read_lines(file))
        return Turn(texts / seconds, (used_by(self.processes) - before) / texts)

    def output(self, number: int) -> Path:
        """The file of the vectors of a turn."""
        return self.texts[number].with_suffix(self.ending)


def main() -> None:
    """Runs all rounds, prints the comparison, and keeps it."""
    settings = arguments()
    config = commands.parse(TrainConfig, ["--config", str(CONFIG)])
    encoder = Path(resolve(config.backbone.handle))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        work = Path(folder)
        texts = short_texts(config, max(TEXTS, (settings.rounds + 1) * settings.texts))
        model = exported(encoder, work)
        with contenders(encoder, model, settings, texts, work) as both:
            for contender in both:
                contender.take_turn(-1)  # what is made at first use is made now
            difference = largest_difference(*(vectors_in(contender.output(-1)) for contender in both))
            with OtherWork(process for contender in both for process in contender.processes) as others:
                turns = take_turns(both, settings.rounds, f"{settings.texts} texts")
        rounds = [{name: turn.rate for name, turn in each.items()} for each in turns]
        starts = whole_processes(encoder, model, settings, texts[:TEXTS], work)
    record = {
        "when": now(),
        "machine": machine(),
        "others": others.share,
        "texts": settings.texts,
        "largest_difference": difference,
        "ratios": ratios(rounds, STEADY) | ratios(starts, WHOLE),
        "rounds": rounds,
        "cpu_seconds": {name: statistics.median(each[name].cpu_seconds for each in turns) for name in (OURS, THEIRS)},
        "starts": starts,
    }
    keep_and_show(record, settings.results, "predict_vs_peers", about(record), tables(record))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer_python", required=True, help="interpreter with torch and sentence-transformers")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--texts", type=int, default=640, help="in a turn")
    parser.add_argument("--whole", type=int, default=0, help="starts of whole processes of each")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder for the record and its tables")
    return parser.parse_args()


def short_texts(config: TrainConfig, count: int) -> list[str]:
    """The beginnings of reviews, which differ in how many words they have."""
    data = load_data(config.data, spec_of(config.task.kind).label_kind(config.task), config.seed, None)
    reviews = [text.split() for text in data.examples.texts(np.arange(len(data.examples.labels)))]
    drawn = random.Random(config.seed)
    found = dict.fromkeys(" ".join(drawn.choice(reviews)[: drawn.randint(*WORDS)]) for _ in range(2 * count))
    return list(found)[:count]


def exported(encoder: Path, work: Path) -> Path:
    """An export of the encoder as it is, by a process that is gone when the others begin."""
    model = work / "vectors"
    words = [sys.executable, str(HERE / "untrained_vectors.py"), str(encoder), str(MAX_LENGTH), str(model)]
    subprocess.run(words, check=True, env=environment())
    return model


@contextmanager
def contenders(
    encoder: Path, model: Path, settings: argparse.Namespace, texts: Sequence[str], work: Path
) -> Iterator[list[Contender]]:
    """Both, with their models loaded; and files of texts for all turns."""
    files = [
        write_lines(work / f"turn-{turn}.txt", texts[turn * settings.texts : (turn + 1) * settings.texts])
        for turn in range(settings.rounds + 1)
    ]
    with ExitStack() as stack:
        ours = stack.enter_context(Worker("sftkeras_vectors.py", [str(model)], work / "sftkeras.log"))
        program, words = "peers/sentence_vectors.py", [str(encoder), str(MAX_LENGTH)]
        theirs = stack.enter_context(Worker(program, words, work / "peer.log", settings.peer_python))
        computes = ours.answer()["process"]
        theirs.answer()
        yield [
            Contender(OURS, ours, [ours.pid, computes], ".parquet", files),
            Contender(THEIRS, theirs, [theirs.pid], ".npy", files),
        ]


def whole_processes(
    encoder: Path, model: Path, settings: argparse.Namespace, texts: Sequence[str], work: Path
) -> list[Round]:
    """Texts a second of whole processes, from their start to their end."""
    file = write_lines(work / "whole.txt", texts)
    peer = [settings.peer_python, str(HERE / "peers" / "sentence_vectors.py"), str(encoder), str(MAX_LENGTH)]
    predict = [sys.executable, "-m", "sftkeras.predict", "--model", str(model), "--file", str(file)]
    commands = {
        OURS: [*predict, "--output", str(work / "whole.parquet")],
        THEIRS: [*peer, str(file), str(work / "whole")],
    }
    rounds: list[Round] = []
    for number in range(settings.whole):
        rounds.append({})
        for name in order(list(commands), number):
            began = time.perf_counter()
            subprocess.run(commands[name], check=True, env=environment(), capture_output=True)
            rounds[-1][name] = len(texts) / (time.perf_counter() - began)
    return rounds


def vectors_in(file: Path) -> np.ndarray:
    """The vectors that a contender wrote, a row a text."""
    if file.suffix == ".npy":
        return np.load(file)
    return np.array(pq.read_table(file, columns=["vector"])["vector"].to_pylist())


def largest_difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference between two numbers of the same vector.

    Raises:
        SystemExit: it is too large for a fair comparison.
    """
    difference = float(np.abs(ours - theirs).max())
    if difference > MOST_DIFFERENCE:
        raise SystemExit(f"The contenders do not agree: two numbers of a vector differ by {difference:.2g}.")
    return difference


def ratios(rounds: Sequence[Round], goal: Goal) -> dict[str, Any]:
    """The ratio of both rates, pair by pair; nothing without rounds."""
    return {goal.name: asdict(Quartiles.of([each[OURS] / each[THEIRS] for each in rounds]))} if rounds else {}


def write_lines(file: Path, texts: Sequence[str]) -> Path:
    file.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return file


def read_lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()


def about(record: dict[str, Any]) -> str:
    whole = f"{len(record['starts'])} whole processes of {TEXTS:,} texts. " if record["starts"] else ""
    return (
        f"{shown_machine(record)} {len(record['rounds'])} rounds of {record['texts']} texts of {WORDS[0]} to "
        f"{WORDS[1]} words. {whole}Two numbers of a vector differ by {record['largest_difference']:.1g} at most."
    )


def tables(record: dict[str, Any]) -> list[Rows]:
    """Rates of both, and how they compare with the goals."""
    rows = []
    for name in (OURS, THEIRS):
        rates = [
            Quartiles.of([each[name] for each in of]) if of else None for of in (record["rounds"], record["starts"])
        ]
        shown = [f"{rate.median:.0f}" if rate else "-" for rate in rates]
        rows.append([name, *shown, f"{1e3 * record['cpu_seconds'][name]:.1f} ms"])
    return [
        (["", "texts/s, steady", "texts/s, whole process", "processor time a text, steady"], rows),
        beside_goals([STEADY, WHOLE], record["ratios"]),
    ]


if __name__ == "__main__":
    main()
