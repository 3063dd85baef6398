"""Dry runs beside the runs that they predict: how right are they in time and memory, and do they take less time?

    python benchmarks/dry_run.py                                       # a classification of two sizes, and a tagging
    python benchmarks/dry_run.py --cases decoder                       # examples/chat.yaml; 10 minutes more

Each case is an example with fewer rows, for one epoch, by two processes one after the other: `sftkeras.train` with
`--dry_run true`, then without; the second finds what the first has cached. The time that is predicted is that from the
start of the process to trained weights; the run's own is taken from the timeline of its report. Memory is the most that
the process ever held. It passes, with exit code 0, if each predicted time is within a quarter of the run's, and no dry
run takes longer than training.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from processes import HERE, environment
from records import Rows, keep_and_show, machine, now, shown_machine
from turns import OtherWork

EXAMPLES = HERE.parent / "examples"
WITHIN = 0.25  # of the run's time
COMMON = {"training.epochs": 1, "report.baselines": "false", "report.bootstrap": 0}


@dataclass(frozen=True)
class Case:
    """An example with other settings: so that it has fewer rows."""

    config: str
    flags: dict[str, str]


# A smaller share to train leaves more to test, which a dry run does not predict.
CASES = {
    "320 reviews": Case("quickstart.yaml", {"data.split": "[0.0375,0.05,0.9125]"}),
    "2,560 reviews": Case("quickstart.yaml", {"data.split": "[0.3,0.05,0.65]"}),
    "tagging": Case("tweet-ner.yaml", {}),
    "decoder": Case("chat.yaml", {}),
}
DEFAULT = [name for name in CASES if name != "decoder"]


@dataclass(frozen=True)
class Outcome:
    """A dry run and the run itself: seconds and bytes."""

    dry_seconds: float
    predicted_seconds: float
    trained_seconds: float
    predicted_memory: int
    held_memory: int

    @property
    def time_ratio(self) -> float:
        """The predicted time by the run's."""
        return self.predicted_seconds / self.trained_seconds


def main() -> None:
    """Measures all cases, prints the table and keeps it."""
    settings = arguments()
    outcomes: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, OtherWork() as others:
        for name in settings.cases:
            outcomes[name] = outcome_of(CASES[name], Path(folder) / name)
            print(f"{name}: {outcomes[name]}", flush=True)
    record = {
        "when": now(),
        "machine": machine(),
        "others": others.share,
        "outcomes": {name: asdict(outcome) for name, outcome in outcomes.items()},
    }
    keep_and_show(record, settings.results, "dry_run", shown_machine(record), [table(outcomes)])
    raise SystemExit(not all(passes(outcome) for outcome in outcomes.values()))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=DEFAULT)
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder for the record and its tables")
    return parser.parse_args()


def outcome_of(case: Case, work: Path) -> Outcome:
    """Runs both processes of a case."""
    work.mkdir()
    flags = {**COMMON, **case.flags, "name": "run", "runs": work / "runs", "export.folder": work / "saved_models"}
    words = [sys.executable, "-m", "sftkeras.train", "--config", str(EXAMPLES / case.config)]
    words += [f"--{name}={value}" for name, value in flags.items()]
    said, dry_seconds, _ = finished([*words, "--dry_run=true"], work / "dry.log")
    _, _, held = finished(words, work / "run.log")
    report = json.loads((work / "runs" / "run" / "report.json").read_text(encoding="utf-8"))
    (train,) = (part for part in report["timeline"]["parts"] if part["name"] == "train")
    return Outcome(dry_seconds, predicted_time(said), train["begin"] + train["seconds"], predicted_memory(said), held)


def finished(words: list[str], log: Path) -> tuple[str, float, int]:
    """Runs a process; gives what it said, its seconds, and the most memory that it held.

    Raises:
        SystemExit: it failed; shows its last words.
    """
    began = time.perf_counter()
    with log.open("w", encoding="utf-8") as file:
        process = psutil.Popen(words, env=environment(), stdout=file, stderr=subprocess.STDOUT)
        held = [0]
        watching = threading.Thread(target=watch, args=(process, held), daemon=True)
        watching.start()
        code = process.wait()
        watching.join()
    said = log.read_text(encoding="utf-8")
    if code:
        raise SystemExit(f"{' '.join(words)}\nended with {code}: {said.strip()[-1000:]}")
    return said, time.perf_counter() - began, held[0]


def watch(process: psutil.Process, held: list[int]) -> None:
    """Notes the most memory that a process holds, until it has ended."""
    try:
        while True:
            held[0] = max(held[0], process.memory_info().rss)
            time.sleep(0.1)
    except psutil.Error:
        return


def predicted_time(said: str) -> float:
    """The seconds after "Expected time", such as 1 h 2 min or 3 min 4 s."""
    (words,) = re.findall(r"Expected time +(?:at most )?([^(]+)\(", said)
    units = {"h": 3600, "min": 60, "s": 1}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+) (h|min|s)\b", words))


def predicted_memory(said: str) -> int:
    """The bytes after "Peak memory"."""
    (gigabytes,) = re.findall(r"Peak memory +([\d.]+) GiB", said)
    return int(float(gigabytes) * 2**30)


def passes(outcome: Outcome) -> bool:
    """Whether the time was right, and found out in less."""
    return abs(outcome.time_ratio - 1) <= WITHIN and outcome.dry_seconds <= outcome.trained_seconds


def table(outcomes: dict[str, Any]) -> Rows:
    """The cases, a row each."""
    columns = ["", "dry run", "predicted", "trained after", "ratio", "memory predicted", "held", ""]
    rows = [
        [
            name,
            f"{it.dry_seconds:.0f} s",
            f"{it.predicted_seconds:.0f} s",
            f"{it.trained_seconds:.0f} s",
            f"{it.time_ratio:.2f}",
            f"{it.predicted_memory / 2**30:.1f} GiB",
            f"{it.held_memory / 2**30:.1f} GiB",
            "passed" if passes(it) else "failed",
        ]
        for name, it in outcomes.items()
    ]
    return columns, rows


if __name__ == "__main__":
    main()
