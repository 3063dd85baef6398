"""kill -9 at any moment, then the same command again: does the run end as if nothing had happened, bit for bit?

    python benchmarks/crash.py                          # 51 kills, 17 in each of three settings
    python benchmarks/crash.py --kills 6 --settings "one device"

A tiny encoder is trained (dropout, shuffling, best weights, a state every few steps), exported and evaluated: on one
device, on two logical devices, and by two worker processes that `sftkeras.launch` starts. Each run is killed some
times, in turn while it trains, writes a state, validates, writes the best weights, exports, and writes its report; the
moment within the phase is random. Of two workers one is killed, and the command starts both again by itself. Then the
run is left to end, and compared with one that was not killed: the best weights, the loss of every step in TensorBoard,
the metrics of every epoch, the weights of the export and the report's figures, bit for bit. The folders of the run and
of the export must hold nothing half made, and every version that was ever published must load and answer.

A kill counts as survived if the run it hit passes all of that.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from killing import ONCE, PHASES, Training, its_workers, itself
from processes import HERE
from records import Rows, keep_and_show, machine, now, shown_machine
from small_training import write_rows, write_tiny_bert

from sftkeras import runtime

NAME = "crash"
ROWS, BATCH, EPOCHS, STATE_STEPS = 360, 8, 3, 7
MOST_ATTEMPTS = 40  # of one run
# The phases in the order in which a run comes to them, as often as they are aimed at.
AIMS = ["training", "state", "validation", "best weights", "state", "training", "export", "report", "training"]
KILLS_OF_A_RUN = 5
ONE, TWO, WORKERS = "one device", "two devices", "two workers"
COMMANDS = {
    ONE: (["-m", "sftkeras.train"], ["--training.devices=1"], itself),
    TWO: (["-m", "sftkeras.train"], ["--training.devices=2"], itself),
    WORKERS: (
        ["-m", "sftkeras.launch", "--workers=2", f"--max_restarts={MOST_ATTEMPTS}", "--"],
        [],
        its_workers,
    ),
}


@dataclass
class Outcome:
    """Outcome of one run.

    Attributes:
        setting: a key of `COMMANDS`.
        hits: the phases it was killed in.
        died_when_asked: how often it died of the question where it is.
        seconds: from its first process to its end.
        faults: what differs from the run that was not killed, or is broken; empty if it passed.
    """

    setting: str
    hits: list[str] = field(default_factory=list)
    died_when_asked: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


def main() -> None:
    """Kills, resumes, compares; prints the verdict and keeps it. The exit code is 1 if a run did not pass."""
    settings = arguments()
    chance = random.Random(settings.seed)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        work = Path(settings.work or folder).absolute()
        work.mkdir(parents=True, exist_ok=True)
        flags = training_flags(work)
        outcomes = [
            outcome
            for setting in settings.settings
            for outcome in outcomes_of(setting, settings.kills, flags, work, chance)
        ]
    record = {"when": now(), "machine": machine(), "seed": settings.seed, "outcomes": [asdict(one) for one in outcomes]}
    keep_and_show(record, settings.results, "crash", about(record), tables(record))
    raise SystemExit(any(outcome.faults for outcome in outcomes))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=17, help="in each setting")
    parser.add_argument("--settings", nargs="+", choices=list(COMMANDS), default=list(COMMANDS))
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder for the record and its tables")
    parser.add_argument("--work", help="folder for rows, runs and logs; by default one that is removed at the end")
    return parser.parse_args()


def training_flags(work: Path) -> list[str]:
    """Settings that all trainings share; makes the weights and the rows."""
    flags = {
        "name": NAME,
        "backbone.handle": write_tiny_bert(work / "weights"),
        "backbone.max_length": 32,
        "data.train": write_rows(work / "rows.csv", ROWS),
        "data.split": "[0.5, 0.4, 0.1]",
        "optimizer.learning_rate": 0.003,
        "training.batch_size": BATCH,
        "training.epochs": EPOCHS,
        "training.deterministic": "true",
        "training.early_stopping.patience": "null",
        "checkpoint.every_steps": STATE_STEPS,
        "report.baselines": "false",
        "report.bootstrap": 100,
    }
    return [f"--{name}={value}" for name, value in flags.items()]


def outcomes_of(setting: str, kills: int, flags: list[str], work: Path, chance: random.Random) -> Iterator[Outcome]:
    """Runs until there were so many kills; first the run that is not killed."""
    reference = work / f"{setting} whole".replace(" ", "-")
    undisturbed = run(setting, reference, flags, [], lambda: 0.0, chance)
    if undisturbed.faults:
        raise SystemExit(f"{setting}, not killed: {', '.join(undisturbed.faults)}; see {reference}")
    training = json.loads((reference / "runs" / NAME / "report.json").read_text("utf-8"))["seconds"]["train"]
    print(f"{setting}: {undisturbed.seconds:.0f} s without a kill, {training:.0f} s of them training", flush=True)
    done, number = 0, 0
    while done < kills:
        number += 1
        aims = [AIMS[(done + place) % len(AIMS)] for place in range(min(KILLS_OF_A_RUN, kills - done))]
        folder = work / f"{setting} {number}".replace(" ", "-")
        outcome = run(setting, folder, flags, in_order(aims), lambda: chance.uniform(0.0, 0.6 * training), chance)
        outcome.faults += differences(folder, reference)
        done += max(len(outcome.hits), 1)  # a run that ends too early for a kill must not keep this going for ever
        verdict = "passed" if not outcome.faults else "FAILED: " + "; ".join(outcome.faults)
        killed = ", ".join(outcome.hits) or "no phase"
        asked = f", and {outcome.died_when_asked} times when asked" if outcome.died_when_asked else ""
        print(f"{setting} {number}: killed in {killed}{asked}; {outcome.seconds:.0f} s; {verdict}", flush=True)
        yield outcome


def in_order(aims: list[str]) -> list[str]:
    """Export and report come last: a run that is killed there trains no more."""
    return sorted(aims, key=lambda phase: ONCE.index(phase) if phase in ONCE else -1)


def run(
    setting: str, folder: Path, flags: list[str], aims: list[str], moment: Callable[[], float], chance: random.Random
) -> Outcome:
    """One run, killed in each of these phases and started again, until it ends.

    Args:
        setting: a key of `COMMANDS`.
        folder: where it runs; made here.
        flags: of the training.
        aims: the phases; one that does not come any more is left out.
        moment: seconds of training after which a phase is waited for.
        chance: chooses the process.
    """
    command, own_flags, trainees = COMMANDS[setting]
    words = [sys.executable, *command, *flags, *own_flags]
    folder.mkdir(parents=True)
    outcome, began = Outcome(setting), time.monotonic()
    left, code = list(aims), None
    half_written = folder / "runs" / NAME / "state" / ".partial.safetensors"
    training = Training(words, folder, half_written, trainees)
    for _ in range(MOST_ATTEMPTS):
        after = chance.uniform(0.0, 1.0) if left and left[0] in ONCE else moment()
        hit = training.kill_in(left[0], after=after, pick=chance.choice) if left else None
        if hit:
            outcome.hits.append(left.pop(0))
        if hit and setting == WORKERS:
            continue  # the command is still there, and starts them again
        code = training.wait()
        if code == -signal.SIGSEGV:
            outcome.died_when_asked += 1  # see killing.py; it is started again as after any other death
        elif not hit:
            break
        training = Training(words, folder, half_written, trainees)
    if code != 0:
        outcome.faults.append(f"ended by itself with code {code}")
    outcome.seconds = time.monotonic() - began
    outcome.faults += leftovers(folder) + broken_versions(folder)
    return outcome


def leftovers(folder: Path) -> list[str]:
    """Files that a run must not leave, or that are missing."""
    left = [path.name for top in ("runs", "saved_models") for path in (folder / top).rglob(".*")]
    needed = ["config.yaml", "log.txt", "report.json", "report.md", "report.html", "state/best.weights.h5"]
    missing = [name for name in needed if not (folder / "runs" / NAME / name).exists()]
    return [f"left behind: {name}" for name in left] + [f"missing: {name}" for name in missing]


def broken_versions(folder: Path) -> list[str]:
    """Loads every published version in a fresh process and asks it."""
    versions = sorted((folder / "saved_models" / NAME).glob("[0-9]*"))
    program = (
        "import sys, tensorflow_text, tensorflow as tf\n"
        "for path in sys.argv[1:]:\n"
        "    answer = tf.saved_model.load(path).signatures['serving_default'](text=tf.constant(['a good film']))\n"
        "    assert all(len(value) == 1 for value in answer.values()), answer\n"
    )
    words = [sys.executable, "-c", program, *map(str, versions)]
    loaded = subprocess.run(words, capture_output=True, text=True, check=False)
    faults = [] if versions else ["nothing was published"]
    return faults + ([f"a version does not load: {loaded.stderr.splitlines()[-1]}"] if loaded.returncode else [])


def differences(folder: Path, reference: Path) -> list[str]:
    """Files that are not bit for bit those of the run that was not killed."""
    ours, theirs = contents(folder), contents(reference)
    return [f"{name} differs" for name in theirs if not same(ours.get(name), theirs[name])]


def contents(folder: Path) -> dict[str, Any]:
    """Results of a run, by name; those that cannot be read are missing."""
    run_folder, found = folder / "runs" / NAME, {}
    for name, read in {
        "the best weights": lambda: arrays_of(run_folder / "state" / "best.weights.h5"),
        "the losses": lambda: losses_of(run_folder / "tensorboard"),
        "the metrics of the epochs": lambda: epochs_of(run_folder / "report.json"),
        "the export": lambda: contract_of(folder)["weights_sha256"],
        "the report": lambda: json.loads((run_folder / "report.json").read_text("utf-8"))["metrics"],
    }.items():
        try:
            found[name] = read()
        except (OSError, ValueError, KeyError) as error:
            found[name] = error
    return found


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    """Every array of an HDF5 file, by its path inside."""
    import h5py

    found: dict[str, np.ndarray] = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def losses_of(folder: Path) -> list[tuple[int, bytes]]:
    """Step and loss of every event, in the order in which they were written."""
    if not folder.is_dir():
        raise FileNotFoundError(folder)
    runtime.start_tensorflow()  # TensorBoard imports it, less quietly
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    return [(event.step, event.tensor_proto.SerializeToString()) for event in events.Tensors("step/loss")]


def epochs_of(report: Path) -> list[dict[str, float]]:
    """The metrics of each epoch, but for the time it took."""
    history = json.loads(report.read_text("utf-8"))["history"]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]


def contract_of(folder: Path) -> dict[str, Any]:
    """The contract of the newest version."""
    newest = max((folder / "saved_models" / NAME).glob("[0-9]*"), key=lambda path: int(path.name))
    return json.loads((newest / "contract.json").read_text("utf-8"))


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(same(ours[name], value) for name, value in theirs.items())
    if isinstance(theirs, np.ndarray):
        return isinstance(ours, np.ndarray) and ours.dtype == theirs.dtype and ours.tobytes() == theirs.tobytes()
    return not isinstance(theirs, Exception) and ours == theirs


def about(record: dict[str, Any]) -> str:
    outcomes = record["outcomes"]
    kills = sum(len(outcome["hits"]) for outcome in outcomes)
    survived = sum(len(outcome["hits"]) for outcome in outcomes if not outcome["faults"])
    minutes = sum(outcome["seconds"] for outcome in outcomes) / 60
    return (
        f"{shown_machine(record)} {survived} of {kills} kills in {len(outcomes)} runs ended bit for bit as without "
        f"them, in {minutes:.0f} minutes."
    )


def tables(record: dict[str, Any]) -> list[Rows]:
    """Kills by setting and phase; and what went wrong, if anything did."""
    settings = list(dict.fromkeys(outcome["setting"] for outcome in record["outcomes"]))
    phases = list(reversed(PHASES))
    rows = []
    for setting in settings:
        outcomes = [outcome for outcome in record["outcomes"] if outcome["setting"] == setting]
        hits = Counter(phase for outcome in outcomes for phase in outcome["hits"])
        survived = sum(len(outcome["hits"]) for outcome in outcomes if not outcome["faults"])
        rows.append([setting, *(str(hits[phase]) for phase in phases), f"{survived} of {hits.total()}"])
    found = [(["killed in", *phases, "bit for bit"], rows)]
    faults = [
        [outcome["setting"], ", ".join(outcome["hits"]), fault]
        for outcome in record["outcomes"]
        for fault in outcome["faults"]
    ]
    return [*found, (["setting", "killed in", "fault"], faults)] if faults else found


if __name__ == "__main__":
    main()
