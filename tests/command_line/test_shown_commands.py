"""Commands in the READMEs, the guides and the examples can be typed: each is parsed by the command that it names."""

from __future__ import annotations

import csv
import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, takewhile
from pathlib import Path

import pytest

from sftkeras import config
from sftkeras.__main__ import COMMANDS
from sftkeras.command_line.commands import parse
from sftkeras.command_line.remedies import flags_of
from sftkeras.config import PredictConfig, TrainConfig
from sftkeras.errors import SFTError
from sftkeras.tasks.classification.predictions import PREDICTIONS

ROOT = Path(__file__).parents[2]
PATTERNS = ("*.md", "docs/**/*.md", "examples/**/*.md", "examples/*.yaml", "benchmarks/*.md", "*/README.md")
PAGES = sorted({path for pattern in PATTERNS for path in ROOT.glob(pattern)})

# By its name alone it is a command only where a line begins, or after a prompt or another command.
_COMMAND = re.compile(r"(?:python -m sftkeras\.|(?:^|[$&;]) *sftkeras )([a-z]+)(?![\w.])([^`]*)")
_FENCED = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`]+)`")
_COMMENT = re.compile(r"^# (.*)", re.MULTILINE)
_END = re.compile(r"[|><;&]+")  # of a command, for a shell
_LEFT_OUT = re.compile(r"…|\.\.\.")  # words that a reader has to add
# Commands that a page shows to be refused.
WRONG = {"config.md": {"train --config my.yaml --training.epoch 5"}}
MADE_BY_THE_READER = "train --task.kind ordinal"  # in docs/extending.md


def snippets(page: Path) -> Iterator[str]:
    """What a page shows as code: its blocks and the words in backticks; of a settings file, its comments."""
    text = page.read_text("utf-8")
    if page.suffix == ".yaml":
        yield from _COMMENT.findall(text)
        return
    for block in _FENCED.findall(text):
        yield from block.replace("\\\n", " ").splitlines()
    yield from (" ".join(code.split()) for code in _INLINE.findall(_FENCED.sub("", text)))


def commands_in(line: str) -> Iterator[tuple[str, list[str]]]:
    """The commands of a line, each as its name and its words, up to where the shell goes on with something else."""
    for name, rest in _COMMAND.findall(line):
        lexer = shlex.shlex(rest, posix=True, punctuation_chars="|><;&")
        lexer.whitespace_split = True
        yield name, list(takewhile(lambda word: not _END.fullmatch(word), lexer))


def with_files_that_exist(words: list[str]) -> list[str]:
    """Puts a settings file of the examples in the place of one that the reader writes."""
    changed = list(words)
    for place, word in enumerate(words[1:], start=1):
        if words[place - 1] == "--config" and not (ROOT / word).exists():
            changed[place] = "examples/quickstart.yaml"
    return changed


def check(name: str, words: list[str]) -> None:
    """Parses a command; where it is shown in part, looks its flags up.

    Raises:
        SFTError: as the command itself.
    """
    command = getattr(config, COMMANDS[name])
    in_part = not words or any(map(_LEFT_OUT.search, words)) or words[-1].startswith("--")
    if in_part and words[-1:] not in (["--help"], ["--print_config"]):
        named = {word.removeprefix("--") for word in words if word.startswith("--")}
        assert named - {""} <= flags_of(command)
        return
    if name == "launch":  # which hands on what follows
        check("train", words[words.index("--") + 1 :])
    with suppress(SystemExit):  # after --help and --print_config
        parse(command, with_files_that_exist(words))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_can_be_typed(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    refused = {}
    for name, words in chain.from_iterable(map(commands_in, snippets(page))):
        line = shlex.join([name, *words])
        if not line.startswith(MADE_BY_THE_READER):
            try:
                check(name, words)
            except SFTError as error:
                refused[line] = str(error)
    assert refused.keys() == WRONG.get(page.name, set()), refused


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_what_a_readme_opens_with_fits_together(page: str) -> None:
    """The labels are those of the data, and printed as `predict` does; the probabilities are for a run to say."""
    typed, printed = _FENCED.findall((ROOT / page).read_text("utf-8"))[:2]
    words = dict(chain.from_iterable(map(commands_in, typed.replace("\\\n", " ").splitlines())))
    training, prediction = parse(TrainConfig, words["train"]), parse(PredictConfig, words["predict"])
    assert prediction.model == f"{training.export.folder}/{training.name}"
    with (ROOT / training.data.train).open(encoding="utf-8", newline="") as file:
        labels = sorted({row["label"] for row in csv.DictReader(file)})
    for text, line in zip(prediction.texts, printed.splitlines(), strict=True):
        label, *_, share = line.removesuffix(text).split()
        record = {
            "text": text,
            "label": label,
            "probability": float(share),
            "probabilities": dict.fromkeys(labels, 0.0),
        }
        assert label in labels
        assert PREDICTIONS.line(record).plain == line
