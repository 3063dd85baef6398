"""Progress bar of a download, in a terminal or a notebook; elsewhere nothing is shown."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def waiting(message: str) -> Iterator[None]:
    """Writes a line to the log, and shows the message, with a spinner that turns in a terminal."""
    from rich.console import Console  # kept out of the start of every command

    from sftkeras.bars import spinner

    _log.info("%s.", message)
    with spinner(message, Console(stderr=True)):
        yield


@contextlib.contextmanager
def receiving(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Shows a bar with speed and time left; gives what is called with the size of each piece in bytes.

    Args:
        what: the name of what is received.
        total: its size in bytes, if known.
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from sftkeras.bars import Bars

    with Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        task = progress.add_task(what, total=total)
        yield lambda size: progress.advance(task, size)
