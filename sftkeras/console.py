"""What a command tells its user: on the terminal, and in the run's log file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_LOG_WIDTH = 120

console = Console(highlight=False)
_logs: list[Console] = []


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Also writes, to the file `path`, all that `say` prints inside the block."""
    with path.open("a", encoding="utf-8") as file:
        log = Console(file=file, width=_LOG_WIDTH, highlight=False)
        _logs.append(log)
        try:
            yield
        finally:
            _logs.remove(log)


def outputs() -> list[Console]:
    """The terminal and the open logs, for what prints to a console of its own accord."""
    return [console, *_logs]


def say(*lines: Any) -> None:
    """Prints text or rich renderables; square brackets in them are not markup."""
    for line in lines:
        for target in outputs():
            target.print(line, markup=False, soft_wrap=isinstance(line, str))
            target.file.flush()


def progress_bar() -> Progress:
    """A progress bar with counts and times; silent where the output is no terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        disable=not console.is_terminal,
    )
