"""What the guides, the examples and the messages show as a command goes through bash and zsh as it stands."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_remedies import COMMANDS, strings

from sftkeras.errors import CATALOGUE

ROOT = Path(__file__).parents[2]
GUIDES = sorted(
    path
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "examples/**/*.md",
        "examples/**/*.yaml",
        "serving/**/*.md",
        "sftkeras/config/*.py",
    )
    for path in ROOT.glob(pattern)
)
# A value of a flag, or a package, that begins with no quote: up to the end of the word.
_WORDS = (re.compile(r"(?<![\w-])--[a-z][\w.]*[ =]([^\s'\"`(>]+)"), re.compile(r"pip install (?:-\S+ )*([^\s'\"`]+)"))
_SPECIAL = re.compile(r"[][{}*?#;&$!]")
# A shell reads these, but they stand for something, or end what is shown.
_STANDS_FOR = re.compile(r"\$\{?\w+\}?|\.{3}|…")


def refused(text: str) -> Iterator[str]:
    """The words that a shell would not take as they stand."""
    for pattern in _WORDS:
        for found in pattern.finditer(text):
            word = _STANDS_FOR.sub("", found[1]).rstrip(").,;:|")  # of the sentence around it
            if _SPECIAL.search(word):
                yield found[0]


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_guides_are_quoted(path: Path) -> None:
    assert list(refused(path.read_text("utf-8"))) == []


def test_commands_in_messages_are_quoted() -> None:
    texts = [*CATALOGUE.values(), *(text for command in COMMANDS for text in strings(command))]
    wrong = {text: words for text in texts if (words := list(refused(re.sub(r"\{\w*\}", "X", text))))}
    assert wrong == {}


@pytest.mark.processes
@pytest.mark.parametrize("word", ["--data.split [0.8,0.1,0.1]", "pip install sftkeras[hub]", "--data.train data/*.csv"])
def test_words_that_a_shell_refuses_are_found(word: str) -> None:
    assert list(refused(f"so: {word} and on")) == [word]
    name, _, value = word.rpartition(" ")
    assert list(refused(f"{name} '{value}'")) == []
    if zsh := shutil.which("zsh"):
        assert subprocess.run([zsh, "-c", f"echo {word}"], capture_output=True, check=False).returncode == 1
