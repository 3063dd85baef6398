"""The commands that are printed as the next ones have the form in which the program was started."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sftkeras.command_line import next_commands


@pytest.mark.parametrize(
    ("started", "shown"),
    [("bin/sftkeras", "sftkeras export --run runs/a"), ("train.py", "python -m sftkeras.export --run runs/a")],
)
def test_a_next_command_has_the_form_in_which_the_program_was_started(
    monkeypatch: pytest.MonkeyPatch, started: str, shown: str
) -> None:
    monkeypatch.setattr(sys, "argv", [started])
    assert next_commands.export_of(Path("runs/a")).endswith(shown)
