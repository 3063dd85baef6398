"""Serving side by side: the embedded server over gRPC and REST, FastAPI with transformers on PyTorch, and no server.

    python benchmarks/serve_vs_peers.py --peer_python .venv-bench/bin/python --model saved_models/movie-sentiment

All answer the same short texts with the same weights, one text a request, and must agree before anything is timed. The
clients run in processes of their own on the same machine, and each asks its next question when it has the answer to
the last. The contenders take turns of a few seconds, as turns.py describes, and a ratio is formed of two turns of one
round: the figure is the median over the rounds, with the quartiles.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from processes import HERE
from records import Rows, keep_and_show, machine, now, shown_machine
from serving_contenders import (
    BATCHES,
    FASTAPI,
    GRPC,
    REST,
    SINGLE,
    Asked,
    Contender,
    Turn,
    all_contenders,
    peer_versions,
)
from turns import OtherWork, Quartiles, Round, beside_goals, ratio, take_turns

from sftkeras import runtime
from sftkeras.command_line import commands
from sftkeras.config import TrainConfig
from sftkeras.data import load_data
from sftkeras.exporting.versions import find_version
from sftkeras.handles import resolve
from sftkeras.tasks import spec_of

CONFIG = HERE.parent / "examples" / "quickstart.yaml"
CLIENTS = (1, 4, 16)
COMPARED = 64  # texts that all contenders must agree on
MOST_DIFFERENCE = 1e-3  # between two probabilities


def main() -> None:
    """Runs every contender in every round, prints the comparison, and keeps it."""
    settings = arguments()
    config = commands.parse(TrainConfig, ["--config", str(settings.config)])
    version = find_version(settings.model)
    texts = test_texts(config)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        work = Path(settings.work or folder)
        work.mkdir(parents=True, exist_ok=True)
        encoder = Path(resolve(config.backbone.handle))
        with all_contenders(version, encoder, settings.peer_python, texts, CLIENTS, work) as contenders:
            difference = compare_answers(contenders, texts[:COMPARED])
            own = {process for contender in contenders for process in (contender.process.pid, contender.worker.pid)}
            with OtherWork(own) as others:
                rounds = all_rounds(contenders, settings)
    turns = [turn for of_clients in rounds.values() for results in of_clients for turn in results.values()]
    record = {
        "when": now(),
        "machine": machine(),
        "others": others.share,
        "versions": {**runtime.versions(), **peer_versions(settings.peer_python)},
        "texts": len(texts),
        "largest_difference": difference,
        "rounds": settings.rounds,
        "seconds": settings.seconds,
        "figures": figures(turns),
        "ratios": {target.name: asdict(target.reached(rounds)) for target in TARGETS if target.clients in rounds},
        "turns": [{**asdict(turn), "latencies": len(turn.latencies)} for turn in turns],
    }
    keep_and_show(record, settings.results, "serve_vs_peers", about(record), tables(record))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer_python", required=True, help="interpreter with torch, transformers, fastapi, uvicorn")
    parser.add_argument("--model", type=Path, required=True, help="an export of --config: NAME or NAME/VERSION")
    parser.add_argument("--config", type=Path, default=CONFIG, help="a classification with the mean of the tokens")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=3, help="of each turn, after half a second of warm-up")
    parser.add_argument("--clients", type=int, nargs="+", choices=CLIENTS, default=CLIENTS, help="at once")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder for the record and its tables")
    parser.add_argument("--work", help="folder for logs and weights; by default one that is removed at the end")
    return parser.parse_args()


def test_texts(config: TrainConfig) -> list[str]:
    """The texts that were held back when the model was trained."""
    data = load_data(config.data, spec_of(config.task.kind).label_kind(config.task), config.seed, None)
    return list(data.examples.texts(data.splits["test"]))


def compare_answers(contenders: list[Contender], texts: list[str]) -> float:
    """The largest difference between any two contenders' probabilities of the same class for the same text.

    Raises:
        SystemExit: it is too large for a fair comparison.
    """
    answers = [contender.answer(texts) for contender in contenders]
    classes = sorted(answers[0][0]["probabilities"])
    table = np.array([[[row["probabilities"][name] for name in classes] for row in rows] for rows in answers])
    difference = float(np.ptp(table, axis=0).max())
    if difference > MOST_DIFFERENCE:
        raise SystemExit(f"The contenders do not agree: two probabilities differ by {difference:.2g}.")
    return difference


def all_rounds(contenders: list[Contender], settings: argparse.Namespace) -> dict[int, list[Round]]:
    """The rounds with each number of clients."""
    return {
        clients: take_turns(
            [Asked(contender, clients, settings.seconds) for contender in contenders if clients in contender.clients],
            settings.rounds,
            counted(clients),
        )
        for clients in settings.clients
    }


@dataclass(frozen=True)
class Target:
    """Claim about one contender's figure against another's, with the same number of clients.

    Attributes:
        clients: with which both stand in the same rounds.
        figure: what is compared.
        bound: of the ratio, ours to theirs.
        most: whether the ratio is to be at most that, in place of at least.
    """

    ours: str
    theirs: str
    clients: int
    figure: str
    bound: float
    most: bool = False

    @property
    def name(self) -> str:
        return f"{self.figure}, {self.ours} to {self.theirs}, {counted(self.clients)}"

    def reached(self, rounds: dict[int, list[Round]]) -> Quartiles:
        """The ratio, pair by pair."""
        return ratio(rounds[self.clients], FIGURES[self.figure], self.ours, self.theirs)


def counted(clients: int) -> str:
    return "1 client" if clients == 1 else f"{clients} clients"


FIGURES: dict[str, Callable[[Turn], float]] = {
    "texts/s": lambda turn: turn.per_second,
    "p50": lambda turn: float(np.percentile(turn.latencies, 50)),
    "p99": lambda turn: float(np.percentile(turn.latencies, 99)),
}
TARGETS = [
    target
    for ours in (GRPC, REST)
    for target in (
        Target(ours, FASTAPI, max(CLIENTS), "texts/s", 1.6),
        Target(ours, FASTAPI, max(CLIENTS), "p99", 1.0, most=True),
        Target(ours, BATCHES, max(CLIENTS), "texts/s", 0.9),
        Target(ours, SINGLE, min(CLIENTS), "p50", 1.25, most=True),
    )
]


def figures(turns: list[Turn]) -> list[dict[str, Any]]:
    """For each contender and number of clients, over all rounds."""
    found = []
    for contender, clients in dict.fromkeys((turn.contender, turn.clients) for turn in turns):
        own = [turn for turn in turns if (turn.contender, turn.clients) == (contender, clients)]
        latencies = [latency for turn in own for latency in turn.latencies]
        found.append(
            {
                "contender": contender,
                "clients": clients,
                "per_second": sum(turn.rows for turn in own) / sum(turn.seconds for turn in own),
                "p50": float(np.percentile(latencies, 50)),
                "p99": float(np.percentile(latencies, 99)),
                "cpu_seconds": statistics.median(turn.cpu_seconds for turn in own),
            }
        )
    return found


def about(record: dict[str, Any]) -> str:
    return (
        f"{shown_machine(record)} {record['texts']} texts, {record['rounds']} rounds of {record['seconds']:g} s; "
        f"the contenders' probabilities differ by {record['largest_difference']:.1g} at most. "
        + ", ".join(f"{name} {number}" for name, number in record["versions"].items())
        + "."
    )


def tables(record: dict[str, Any]) -> list[Rows]:
    """Results of each contender, and how they compare with the goals."""
    columns = ["", "clients", "texts/s", "p50", "p99", "processor time a text, clients not counted"]
    rows = [
        [
            it["contender"],
            "-" if it["contender"] in (SINGLE, BATCHES) else str(it["clients"]),
            f"{it['per_second']:.1f}",
            *(f"{1000 * it[name]:.1f} ms" for name in ("p50", "p99", "cpu_seconds")),
        ]
        for it in record["figures"]
    ]
    return [(columns, rows), beside_goals(TARGETS, record["ratios"])]


if __name__ == "__main__":
    main()
