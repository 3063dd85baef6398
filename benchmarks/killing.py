"""Trainings that are killed in a chosen phase. Which phases, how often and what must come of it stands in crash.py.

Python's fault handler shows, on a signal, where the main thread of a process is, whatever it does; a `sitecustomize`
module switches it on in every process of a training. So a phase is not guessed from the clock. (It must not be asked
for the other threads: that can end the process. Asked while modules are imported it can too, if rarely: so it is asked
seldom before training begins, and a process that dies of it counts as one more that crashed.) A state is written by
another thread, but its half-written file shows.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
from processes import environment

ASK = signal.SIGUSR2
PATIENCE = 300  # seconds in which a phase must come, or a training end
PAUSE = 0.004  # seconds between two looks
LONG_PAUSE = 0.3  # before training begins

_SITE = f"""
import faulthandler, os, signal
folder = os.environ.get("CRASH_STACKS")
if folder:
    signal.signal(signal.{ASK.name}, signal.SIG_IGN)  # what counts again when the interpreter ends
    path = os.path.join(folder, str(os.getpid()))
    file = open(path + ".new", "w")
    faulthandler.register(signal.{ASK.name}, file=file, all_threads=False)
    os.rename(path + ".new", path)  # from now on: before, the signal would end the process
"""

# What is on the stack in each phase: a file and a function. The first that fits is the phase.
PHASES: dict[str, tuple[tuple[str, str], ...]] = {
    "report": (("evaluation/report/write.py", "write_report"), ("sftkeras/train.py", "evaluate_export")),
    "export": (("exporting/export.py", "export"),),
    "best weights": (("training/callbacks.py", "save"),),
    "state": (("training/resume/run_state.py", "capture"),),
    "validation": (("tensorflow/trainer.py", "evaluate"),),
    "training": (("tensorflow/trainer.py", "fit"),),
}
ONCE = ("export", "report")  # phases that a command comes to once


@dataclass(frozen=True)
class Hit:
    """A process that was killed.

    Attributes:
        phase: in which it was.
        pid: of the process.
    """

    phase: str
    pid: int


class Training:
    """A command that trains, in one process or in several that it starts.

    Args:
        words: the command.
        folder: where it runs; gets its output and the stacks.
        half_written: a file that is there as long as a state is written.
        trainees: gives the pids of the processes that train, from the command's own process.
    """

    def __init__(
        self,
        words: list[str],
        folder: Path,
        half_written: Path,
        trainees: Callable[[psutil.Process], list[int]],
    ) -> None:
        self._stacks = folder / "stacks"
        site = folder / "site"
        for path in (self._stacks, site):
            path.mkdir(exist_ok=True, parents=True)
        (site / "sitecustomize.py").write_text(_SITE, encoding="utf-8")
        paths = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
        variables = {"PYTHONPATH": paths, "CRASH_STACKS": str(self._stacks)}
        self.log = folder / "said.txt"
        with self.log.open("a", encoding="utf-8") as said:
            self._process = subprocess.Popen(
                words, cwd=folder, env=environment(**variables), stdout=said, stderr=said, start_new_session=True
            )
        self._half_written = half_written
        self._trainees = trainees
        self._gone: set[int] = set()  # the processes of a gang that lost one

    @property
    def ended(self) -> int | None:
        """The exit code, or None if it still runs."""
        return self._process.poll()

    def kill_in(self, phase: str, *, after: float, pick: Callable[[list[int]], int]) -> Hit | None:
        """Kills a process with SIGKILL as soon as it is in the phase and some seconds have passed.

        Args:
            phase: one of `PHASES`.
            after: seconds since training was first seen; in a phase of `ONCE`, since that was first seen.
            pick: chooses one of the processes that train.

        Returns:
            None if the command ended before the phase came.
        """
        limit, begins = time.monotonic() + PATIENCE, None
        while self.ended is None and time.monotonic() < limit:
            pids = self._known()
            pid = pick(pids) if pids else None
            now = self._phase(pid) if pid else None
            if now and begins is None and (now == phase or phase not in ONCE):
                begins = time.monotonic() + after
            if pid and now == phase and begins is not None and time.monotonic() >= begins:
                os.kill(pid, signal.SIGKILL)
                self._gone.update(pids)
                return Hit(phase, pid)
            time.sleep(PAUSE if now else LONG_PAUSE)
        if self.ended is None:
            self.stop()
            raise SystemExit(f"{phase} did not come in {PATIENCE} s; see {self.log}")
        return None

    def wait(self) -> int:
        """Waits for the end, and gives the exit code."""
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.stop()
            raise SystemExit(f"did not end in {PATIENCE} s; see {self.log}") from None

    def stop(self) -> None:
        """Ends all that is left of it."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _phase(self, pid: int) -> str | None:
        """The phase that a process is in; None before training begins."""
        phase = phase_of(self._stack(pid))
        # Before training begins, the file is one that a killed process left.
        return "state" if phase and self._half_written.exists() else phase

    def _known(self) -> list[int]:
        """The processes that train and can be asked."""
        try:
            pids = self._trainees(psutil.Process(self._process.pid))
        except psutil.Error:
            return []
        return [pid for pid in pids if pid not in self._gone and (self._stacks / str(pid)).exists()]

    def _stack(self, pid: int) -> str:
        """Stack of a process' main thread; empty if it does not answer."""
        file = self._stacks / str(pid)
        seen = file.stat().st_size
        try:
            os.kill(pid, ASK)
        except ProcessLookupError:
            return ""
        time.sleep(PAUSE)
        with file.open(encoding="utf-8", errors="replace") as stacks:
            stacks.seek(seen)
            return stacks.read()


def phase_of(stack: str) -> str | None:
    """The phase that a stack shows; None before training begins."""
    lines = [line for line in stack.splitlines() if line.lstrip().startswith("File ")]
    for phase, marks in PHASES.items():
        if any(f'{file}"' in line and line.endswith(f" in {function}") for line in lines for file, function in marks):
            return phase
    return None


def itself(process: psutil.Process) -> list[int]:
    """The command trains in its own process."""
    return [process.pid]


def its_workers(process: psutil.Process) -> list[int]:
    """The command starts processes that train, and trains nothing itself."""
    return sorted(child.pid for child in process.children() if "sftkeras.train" in child.cmdline())
