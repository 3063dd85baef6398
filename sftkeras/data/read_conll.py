"""Rows of CoNLL files: a word a line with its columns, sentences divided by blank lines.

A row is a sentence. Its columns are the lists of its words and of its tags, and `word_line`, which tells that words
have lines of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from sftkeras.config import DataConfig
from sftkeras.data.blocks import LONGEST_CELL, Block, shortened
from sftkeras.data.findings import Fault, place
from sftkeras.data.sources import Source
from sftkeras.data.text_files import Filling, not_decodable, opened
from sftkeras.errors import SFTError

_BOUNDARY = "-DOCSTART-"  # a document of CoNLL 2003 begins
_COLUMN = re.compile(r"-?\d+")
_FIRST, _LAST = 0, -1  # the columns of words and tags, unless the settings number others

Line = tuple[int, str]


def conll_blocks(source: Source, wanted: Mapping[str, str], config: DataConfig) -> Iterator[Block]:
    """Yields the sentences of a file; raises as `read_blocks`.

    Words are in the first column and tags in the last, or in those that data.text and data.label number.
    """
    names = {flag: name for name, flag in wanted.items()}
    text, label = names["--data.text"], names["--data.label"]
    if others := [name for name, flag in wanted.items() if flag not in ("--data.text", "--data.label")]:
        raise SFTError("SFT204", file=source.name, column=others[0], flag=wanted[others[0]], columns="none with names",
                       suggestion="")  # fmt: skip
    picks = (_number(config.text, _FIRST, source, "--data.text"), _number(config.label, _LAST, source, "--data.label"))
    last, some = 0, False
    try:
        with opened(source, config) as file:
            filling = Filling(file, source)
            sentences = _sentences(enumerate(file, start=1), source)
            while True:
                block = Block({text: [], label: [], "word_line": []}, [])
                filling.begin()
                for sentence in sentences:
                    last = sentence[-1][0]
                    _add(block, sentence, picks, (text, label))
                    if filling.full(len(block.lines) + len(block.broken)):
                        break
                if not block.lines and not block.broken:
                    break
                some, block.done = True, filling.done
                yield block
    except UnicodeDecodeError as error:
        raise not_decodable(f"{source.name} after line {last}", config.encoding, error.reason) from None
    if not some:
        raise SFTError("SFT202", file=source.name)


def _number(column: str | None, usual: int, source: Source, flag: str) -> int:
    """The number of a column, which the settings write as text."""
    if column is None:
        return usual
    if not _COLUMN.fullmatch(column):
        hint = " Give its number: 0 is the first, -1 the last."
        raise SFTError("SFT204", file=source.name, column=column, flag=flag, columns="none with names", suggestion=hint)
    return int(column)


def _sentences(lines: Iterator[Line], source: Source) -> Iterator[list[Line]]:
    """Yields the lines of each sentence."""
    size = 0
    for is_sentence, group in groupby(lines, key=lambda line: _says_something(line[1])):
        if not is_sentence:
            continue
        sentence = []
        size = 0
        for line in group:
            sentence.append(line)
            size += len(line[1])
            if size > LONGEST_CELL:
                problem = "a sentence that does not end within 64 million characters. Blank lines divide sentences"
                raise SFTError("SFT209", place=place(source.name, sentence[0][0]), problem=problem)
        yield sentence


def _says_something(line: str) -> bool:
    return bool(line.strip()) and not line.startswith(_BOUNDARY)


def _add(block: Block, sentence: list[Line], picks: tuple[int, int], names: tuple[str, str]) -> None:
    """Adds a sentence, or the fault of its first line that lacks a column."""
    columns: tuple[list[Any], list[Any]] = ([], [])
    for line, content in sentence:
        cells = _cells(content)
        for pick, column in zip(picks, columns, strict=True):
            if len(cells) < 2 or not -len(cells) <= pick < len(cells):
                block.broken.append((Fault("SFT255", {"found": shortened(content.strip())}), line))
                return
            column.append(cells[pick])
    for name, column in zip(names, columns, strict=True):
        block.columns[name].append(column)
    block.columns["word_line"].append(True)
    block.lines.append(sentence[0][0])


def _cells(line: str) -> list[str]:
    """The columns of a line, which tabs divide if there are any; a word may then hold spaces."""
    line = line.rstrip("\r\n")
    return [cell.strip() for cell in line.split("\t")] if "\t" in line.strip() else line.split()
