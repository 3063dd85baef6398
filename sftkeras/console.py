"""Console output of a command: on the terminal, and in the run's log file."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from sftkeras.bars import Bars, spinner

_LOG_WIDTH = 120

console = Console(highlight=False)
# Without force_jupyter, rich shows in a notebook what is written to any file.
_log = Console(file=StringIO(), width=_LOG_WIDTH, highlight=False, force_jupyter=False)


def is_command() -> bool:
    """Says whether this process is that of a command, such as `python -m sftkeras.train`, and of nothing else."""
    return getattr(sys.modules["__main__"].__spec__, "name", "").startswith("sftkeras.")


def be_quiet() -> None:
    """Shows nothing on the terminal from here on: of several workers, one speaks for all."""
    console.quiet = True


@contextmanager
def fresh_output(*, verbose: bool = True) -> Iterator[None]:
    """Begins a log of its own for what is said inside the block, and shows nothing of it unless `verbose`."""
    before, quiet = _log.file, console.quiet
    _log.file, console.quiet = StringIO(), quiet or not verbose
    try:
        yield
    finally:
        _log.file, console.quiet = before, quiet


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Writes to the file `path` what was said so far, and all that is said inside the block.

    Half a surrogate pair, which a text of the user's may have, is no UTF-8: it is written as its number.
    """
    said = _log.file
    assert isinstance(said, StringIO)
    with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(said.getvalue())
        _log.file = file
        try:
            yield
        finally:
            _log.file = StringIO()


def program(name: str) -> str:
    """Command by which the user's shell finds a program of this environment: its name, or else its path."""
    path = Path(sys.executable).parent / name
    if shutil.which(name) == str(path) or not path.exists():
        return name
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))


def outputs() -> list[Console]:
    """The terminal and the log, for what prints to a console of its own accord."""
    return [console, _log]


def say(*lines: Any) -> None:
    """Prints text or rich renderables; square brackets in them are not markup."""
    for line in lines:
        for target in outputs():
            target.print(line, markup=False, soft_wrap=isinstance(line, str))
            target.file.flush()


def progress_bar(output: Console = console) -> Bars:
    """A progress bar with a note of what is counted and the time left; silent where none can move.

    Each task needs the field `note`.
    """
    return Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=output,
    )


def waiting(message: str) -> AbstractContextManager[None]:
    """Shows on the terminal, while a block runs, what it is that takes seconds."""
    return spinner(message, console)
