"""How tests call the commands: in this process where no TensorFlow is needed, else in processes of their own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import forked

Done = subprocess.CompletedProcess[str]

ONE_LINE = re.compile(r"SFT\d{3}  [^\n]+\n")


def flags(**settings: object) -> list[str]:
    """`data__train="x.csv"` as `--data.train=x.csv`."""
    return [f"--{name.replace('__', '.')}={value}" for name, value in settings.items()]


def run_command(command: str, *words: str, cwd: Path, timeout: float = 600, python: tuple[str, ...] = ()) -> Done:
    """Runs `python -m sftkeras.COMMAND` to its end; `python` are options of the interpreter, which then starts anew."""
    arguments = [sys.executable, *python, "-m", f"sftkeras.{command}", *words]
    if not python:
        return forked.run(arguments, cwd=cwd, timeout=timeout)
    return subprocess.run(arguments, cwd=cwd, timeout=timeout, capture_output=True, text=True, check=False)


def refusal(done: Done) -> str:
    """The one line of a command that refused, checked to be one line and nothing else on standard error."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert ONE_LINE.fullmatch(done.stderr), done.stderr
    return done.stderr.rstrip("\n")


def run_several(
    calls: Sequence[tuple[str, Sequence[str]]], *, cwd: Path, timeout: float = 600, **environment: str
) -> list[Done]:
    """Runs commands one after the other in one process, with further environment variables; see several.py."""
    results = cwd / "results.json"
    done = forked.run(
        [sys.executable, str(Path(__file__).with_name("several.py")), str(results)],
        input=json.dumps(calls),
        cwd=cwd,
        timeout=timeout,
        env=os.environ | environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [subprocess.CompletedProcess([], *result) for result in json.loads(results.read_text("utf-8"))]


class Running:
    """A command that runs in a process group of its own, as a terminal starts it, so that ctrl-C can be sent."""

    def __init__(self, command: str, *words: str, cwd: Path) -> None:
        self.output = cwd / f"{command}.output"
        with self.output.open("w") as output, (cwd / f"{command}.errors").open("w") as errors:
            self._process = forked.Process(
                [sys.executable, "-m", f"sftkeras.{command}", *words],
                cwd=cwd,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )

    def wait_until(self, reached: Callable[[], object], seconds: float = 600) -> None:
        """Waits until `reached()` is true; fails if the command ends before."""
        limit = time.monotonic() + seconds
        while not reached():
            assert self._process.poll() is None, f"ended too early: {self.said} {self.complained}"
            assert time.monotonic() < limit, f"took too long: {self.said} {self.complained}"
            time.sleep(0.005)

    def press_ctrl_c(self, seconds: float = 600) -> int:
        """Sends SIGINT to all processes of the group and returns the exit code of the command."""
        os.killpg(self._process.pid, signal.SIGINT)
        return self._end(seconds)

    def _end(self, seconds: float) -> int:
        try:
            return self._process.wait(seconds)
        finally:
            self.kill()

    def kill(self) -> None:
        """Ends what is left of the group."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    @property
    def said(self) -> str:
        return self.output.read_text()

    @property
    def complained(self) -> str:
        return self.output.with_suffix(".errors").read_text()
