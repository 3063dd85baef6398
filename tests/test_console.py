"""What is said also lands in the log of a run, whatever texts it quotes."""

from __future__ import annotations

from pathlib import Path

from sftkeras.console import fresh_output, log_to, say


def test_half_a_surrogate_pair_is_logged_as_its_number(tmp_path: Path) -> None:
    with fresh_output(verbose=False):
        say("before: \ud83d")
        with log_to(tmp_path / "log.txt"):
            say("inside: \ud83d")
    assert (tmp_path / "log.txt").read_text("utf-8") == "before: \\ud83d\ninside: \\ud83d\n"
