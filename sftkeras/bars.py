"""Progress bars and spinners that move in a terminal and in a notebook; elsewhere they show nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import Progress, ProgressColumn, SpinnerColumn, TaskID, TextColumn

_SECONDS = 0.1  # between two drawings in a notebook


def can_move(console: Console) -> bool:
    """Whether what was drawn there can be drawn anew."""
    return console.is_terminal or console.is_jupyter


class Bars(Progress):
    """Bars of rich, which in a notebook are one output that is drawn anew. Rich itself needs ipywidgets for that.

    Args:
        columns: what a line shows.
        console: where; a quiet one shows nothing.
        transient: whether the bars vanish at the end.
    """

    def __init__(self, *columns: ProgressColumn, console: Console, transient: bool = False) -> None:
        super().__init__(*columns, console=console, transient=transient, disable=console.quiet or not can_move(console))
        self._inline = console.is_jupyter and not self.disable
        self._open = False
        self._output: Any = None  # IPython's handle of it, once there is a bar to show
        self._drawn = 0.0

    def start(self) -> None:
        """Begins to show the bars."""
        if not self._inline:
            return super().start()
        self._open = True
        self.refresh()

    def stop(self) -> None:
        """Draws the bars for the last time, or takes them away if they are transient."""
        if not self._inline:
            return super().stop()
        self.refresh()
        self._open = False
        if self._output and self.live.transient:
            self._output.update({"text/plain": ""}, raw=True)

    def refresh(self) -> None:
        """Draws the bars now."""
        if not self._inline:
            return super().refresh()
        if self._open and self.tasks:
            from IPython.display import display

            self._drawn = time.monotonic()
            if self._output:
                self._output.update(self)
            else:
                self._output = display(self, display_id=True)

    def update(self, task_id: TaskID, **fields: Any) -> None:
        """Sets fields of a bar."""
        super().update(task_id, **fields)
        self._refresh_at_times()

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """Moves a bar on."""
        super().advance(task_id, advance)
        self._refresh_at_times()

    def _refresh_at_times(self) -> None:
        if self._inline and time.monotonic() - self._drawn >= _SECONDS:
            self.refresh()


@contextmanager
def spinner(message: str, console: Console) -> Iterator[None]:
    """Shows a message while the block runs, which nothing counts."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False))
    with Bars(*columns, console=console, transient=True) as bars:
        bars.add_task(message, total=None)
        yield
