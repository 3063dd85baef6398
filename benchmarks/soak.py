"""A server under load for minutes while new versions come and old ones go: no request may fail, and memory stays flat.

    python benchmarks/soak.py --model saved_models/movie-sentiment                  # 10 minutes
    python benchmarks/soak.py --model … --minutes 1 --publish_seconds 5

Half of the clients ask over gRPC, half over REST, each as fast as it is answered. A version is published as an export
is: copied aside, then renamed into place; the folder of the version before the last is removed at that moment. Memory
is what the server holds resident, in the last quarter of the time against the second: in the first it may still grow.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from processes import HERE, PREDICT, grpc_bodies, load_generator, rest_bodies, sftkeras_server
from records import Rows, keep_and_show, machine, now, shown_machine

from sftkeras.exporting.versions import find_version

TEXTS = [
    "a quiet, lovely film that stays with you",
    "the plot makes no sense and the actors know it",
    "long. " * 20,
    "it begins well enough, and then somebody must have lost the second half of the script on the way to the studio",
]
MOST_GROWTH = 1.05  # memory of the last quarter over that of the second
SAMPLE_SECONDS = 0.5
MOST_VERSIONS = 2  # folders at a time
MOST_SHOWN = 60  # samples of memory in the record


def main() -> None:
    """Soaks the calls of Predict."""
    run(Soak("soak", __doc__, "a model of single texts", ask_all, minutes=10, clients=16, publish_seconds=20))


@dataclass(frozen=True)
class Soak:
    """A load and its defaults.

    Attributes:
        name: of its record.
        description: of the program.
        model: what the model must be.
        load: asks the server until the time of `Soaked` is over, and notes there what came of it. It is given the
            version, where it is served, how many clients ask, and a folder for logs.
        minutes: of load, by default; so the others.
        clients: that ask at once.
        publish_seconds: between two new versions.
    """

    name: str
    description: str
    model: str
    load: Callable[[Soaked, Path, Served, int, Path], None]
    minutes: float
    clients: int
    publish_seconds: float


class Served(NamedTuple):
    """Where a model is served: its name, HOST:PORT for gRPC, and the URL for REST."""

    model: str
    grpc: str
    rest: str


def run(soak: Soak) -> None:
    """Loads, publishes, samples; prints the verdict and keeps it. Exits with code 1 if it failed."""
    settings = arguments(soak)
    version = find_version(settings.model)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        work = Path(settings.work or folder)
        work.mkdir(parents=True, exist_ok=True)
        soaked = soaked_by(soak, version, work, settings)
    record = {
        "when": now(),
        "machine": machine(),
        "clients": settings.clients,
        "minutes": settings.minutes,
        "publish_seconds": settings.publish_seconds,
        **soaked.figures(),
    }
    keep_and_show(record, settings.results, soak.name, about(record), tables(record))
    raise SystemExit(not passed(record))


def arguments(soak: Soak) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=soak.description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help=f"{soak.model}: NAME or NAME/VERSION")
    parser.add_argument("--minutes", type=float, default=soak.minutes)
    parser.add_argument("--clients", type=int, default=soak.clients)
    parser.add_argument("--publish_seconds", type=float, default=soak.publish_seconds, help="between two new versions")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder for the record and its tables")
    parser.add_argument("--work", help="folder for versions and logs; by default one that is removed at the end")
    return parser.parse_args()


@dataclass
class Soaked:
    """Results of the soak.

    Attributes:
        seconds: of load.
        published: versions that came while there was load.
        served: how many of them the server took in while there was load.
        sent: requests, by protocol.
        failures: the errors of failed requests, and how often each came.
        memory: resident bytes of the server, sample by sample.
        latencies: of the answered requests, in seconds.
    """

    seconds: float
    published: int = 0
    served: int = 0
    sent: dict[str, int] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)
    memory: list[int] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """Figures that are kept and checked."""
        quarter = len(self.memory) // 4
        second, last = (statistics.mean(self.memory[part * quarter : (part + 1) * quarter]) for part in (1, 3))
        ordered = sorted(self.latencies)
        return {
            "published": self.published,
            "served": self.served,
            "sent": self.sent,
            "failed": self.failures.total(),
            "failures": dict(self.failures),
            "per_second": sum(self.sent.values()) / self.seconds,
            "p50": ordered[len(ordered) // 2],
            "p99": ordered[int(len(ordered) * 0.99)],
            "slowest": ordered[-1],
            "memory_second_quarter": second,
            "memory_last_quarter": last,
            "memory_peak": max(self.memory),
            "memory_ratio": last / second,
            "memory": [round(size / 2**20) for size in self.memory[:: max(1, len(self.memory) // MOST_SHOWN)]],
        }


def soaked_by(soak: Soak, version: Path, work: Path, settings: argparse.Namespace) -> Soaked:
    """Serves copies of a version under load; the version itself is not changed."""
    model = version.parent.name
    versions = work / "models" / model
    publish(version, versions, 1)
    soaked = Soaked(60 * settings.minutes)
    log = work / "server.log"
    with sftkeras_server(work / "models", log) as (server, grpc, rest):
        watching = threading.Thread(
            target=watch, args=(soaked, server, version, versions, settings.publish_seconds), daemon=True
        )
        watching.start()
        soak.load(soaked, version, Served(model, grpc, rest), settings.clients, work)
        watching.join()
        soaked.served = log.read_text(encoding="utf-8").count(" is available") - 1  # the first was there before
    return soaked


def ask_all(soaked: Soaked, version: Path, served: Served, clients: int, work: Path) -> None:
    """Asks for predictions; half of the clients over gRPC, half over REST."""
    rest = f"{served.rest}/v1/models/{served.model}:predict"
    asking = {
        "gRPC": load_generator(f"grpc://{served.grpc}/{PREDICT}", grpc_bodies(served.model, TEXTS), work, "grpc"),
        "REST": load_generator(rest, rest_bodies(TEXTS), work, "rest"),
    }
    with asking["gRPC"], asking["REST"]:
        for worker in asking.values():
            worker.tell(clients=clients // 2, seconds=soaked.seconds, warm_up=0)
        for name, worker in asking.items():
            reply = worker.answer()
            soaked.sent[name] = reply["sent"]
            soaked.failures.update(reply["failures"])
            soaked.latencies += reply["latencies"]


def watch(soaked: Soaked, server: psutil.Process, version: Path, versions: Path, publish_seconds: float) -> None:
    """Samples the server's memory and publishes versions until the time is over."""
    begin = time.monotonic()
    while (passed := time.monotonic() - begin) < soaked.seconds:
        if passed > publish_seconds * (soaked.published + 1):
            soaked.published += 1
            newest = soaked.published + 1
            publish(version, versions, newest)
            if newest > MOST_VERSIONS:
                shutil.rmtree(versions / str(newest - MOST_VERSIONS))
        soaked.memory.append(server.memory_info().rss)
        time.sleep(SAMPLE_SECONDS)


def publish(version: Path, versions: Path, number: int) -> None:
    """Copies a version aside and renames it into place."""
    draft = versions / f".draft-{number}"
    shutil.copytree(version, draft)
    draft.rename(versions / str(number))


def passed(record: dict[str, Any]) -> bool:
    """Whether nothing failed, memory stayed flat, and the server did take in what came (the last may be on its way)."""
    in_time = record["served"] >= max(1, record["published"] - 1)
    return record["failed"] == 0 and record["memory_ratio"] <= MOST_GROWTH and in_time


def about(record: dict[str, Any]) -> str:
    verdict = "passed" if passed(record) else "FAILED"
    return (
        f"{shown_machine(record)} {record['clients']} clients for {record['minutes']:g} minutes, a new version every "
        f"{record['publish_seconds']:g} s: {verdict}."
    )


def tables(record: dict[str, Any]) -> list[Rows]:
    columns = ["requests", "failed", "versions published", "served", "requests/s", "p50", "p99", "slowest"]
    requests = " + ".join(f"{count:,} {name}" for name, count in record["sent"].items())
    times = [f"{1000 * record[name]:.0f} ms" for name in ("p50", "p99", "slowest")]
    row = [
        requests,
        str(record["failed"]),
        str(record["published"]),
        str(record["served"]),
        f"{record['per_second']:.1f}",
        *times,
    ]
    memory = ["memory, second quarter", "last quarter", "peak", "last over second", "at most"]
    held = [f"{record[f'memory_{part}'] / 2**20:.0f} MiB" for part in ("second_quarter", "last_quarter", "peak")]
    found = [(columns, [row]), (memory, [[*held, f"{record['memory_ratio']:.3f}", f"{MOST_GROWTH}"]])]
    if record["failures"]:
        found.append((["failure", "times"], [[text, str(count)] for text, count in record["failures"].items()]))
    return found


if __name__ == "__main__":
    main()
