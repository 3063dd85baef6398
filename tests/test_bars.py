"""Progress bars in a terminal, in a notebook, and where neither is."""

from __future__ import annotations

import io
import itertools
from types import SimpleNamespace
from typing import Any

import IPython.display
import pytest
from rich.console import Console
from rich.progress import BarColumn, TextColumn

from sftkeras.bars import Bars


class Output:
    """What a notebook would hold of one output: all that was drawn into it, one drawing after another."""

    def __init__(self, first: Any) -> None:
        self.drawn: list[str] = []
        self.update(first)

    def update(self, shown: Any, raw: bool = False) -> None:
        data = shown if raw else shown._repr_mimebundle_(None, None)
        self.drawn.append(data["text/plain"].strip())


@pytest.fixture
def outputs(monkeypatch: pytest.MonkeyPatch) -> list[Output]:
    found: list[Output] = []

    def display(shown: Any, *, display_id: bool) -> Output:
        assert display_id
        found.append(Output(shown))
        return found[-1]

    monkeypatch.setattr(IPython.display, "display", display)
    return found


def bars(console: Console, **settings: Any) -> Bars:
    return Bars(
        TextColumn("{task.description} {task.completed}/{task.total}"), BarColumn(), console=console, **settings
    )


@pytest.mark.filterwarnings("error")  # rich warns where it needs ipywidgets
def test_in_a_notebook_they_are_one_output_that_ends_with_where_they_are(
    outputs: list[Output], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(1000)  # hundredths of a second
    monkeypatch.setattr("sftkeras.bars.time", SimpleNamespace(monotonic=lambda: next(clock) / 100))
    with bars(Console(force_jupyter=True)) as shown:
        assert not outputs  # there is nothing to show yet
        task = shown.add_task("Reading", total=1000)
        for _ in range(900):
            shown.advance(task)
        shown.update(task, completed=950)
    [output] = outputs
    assert output.drawn[0].startswith("Reading 0/1000")
    assert output.drawn[-1].startswith("Reading 950/1000")
    assert 50 < len(output.drawn) < 110  # ten times a second, and not every step


def test_in_a_notebook_transient_ones_leave_nothing(outputs: list[Output]) -> None:
    with bars(Console(force_jupyter=True), transient=True) as shown:
        shown.add_task("Fetching", total=10)
    [output] = outputs
    assert output.drawn[0].startswith("Fetching 0/10")
    assert output.drawn[-1] == ""


def test_a_terminal_has_those_of_rich(outputs: list[Output]) -> None:
    written = io.StringIO()
    with bars(Console(file=written, force_terminal=True, force_jupyter=False, width=80)) as shown:
        shown.advance(shown.add_task("Reading", total=2), 2)
    assert "Reading 2/2" in written.getvalue()
    assert not outputs


@pytest.mark.parametrize(
    "console",
    [
        Console(file=io.StringIO(), force_jupyter=False),
        Console(file=io.StringIO(), force_terminal=True, quiet=True),
        Console(file=io.StringIO(), force_jupyter=True, quiet=True),
    ],
    ids=["file", "quiet terminal", "quiet notebook"],
)
def test_elsewhere_they_show_nothing(console: Console, outputs: list[Output]) -> None:
    with bars(console) as shown:
        shown.advance(shown.add_task("Reading", total=2))
    assert not outputs
    assert not console.file.getvalue()  # type: ignore[attr-defined]
