"""What a terminal shows while something is fetched; elsewhere nothing is shown."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def waiting(message: str) -> Iterator[None]:
    """Writes a line to the log, and shows a spinner if standard error is a terminal."""
    from rich.console import Console  # kept out of the start of every command
    from rich.markup import escape

    _log.info("%s.", message)
    with Console(stderr=True).status(escape(message)):  # shows nothing elsewhere
        yield


@contextlib.contextmanager
def receiving(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Shows a bar with speed and time left if standard error is a terminal; gives what is told of each piece's bytes.

    Args:
        what: the name of what is received.
        total: its size in bytes, if known.
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task(what, total=total)
        yield lambda size: progress.advance(task, size)
