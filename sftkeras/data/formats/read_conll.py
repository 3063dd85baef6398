"""Rows of CoNLL files: a word a line with its columns, sentences divided by blank lines.

A row is a sentence. Its columns are the lists of its words and of its tags, and `word_lines`, the line of each word.
Comments are left out, and so are, in the CoNLL-U format of Universal Dependencies, the lines that are no words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sftkeras.config import DataConfig
from sftkeras.data.checks.findings import Fault, place
from sftkeras.data.formats.blocks import LONGEST_CELL, Block, shortened
from sftkeras.data.formats.sources import Source
from sftkeras.data.formats.text_files import Filling, not_decodable, opened
from sftkeras.errors import SFTError

_BOUNDARY = "-DOCSTART-"  # a document of CoNLL 2003 begins
_COLUMN = re.compile(r"-?\d+")
_FIRST, _LAST = 0, -1  # the columns of words and tags, unless the settings number others

# Comments that may have as many cells as the lines of words.
_COMMENT = re.compile(
    r"""  \#\s*\w[\w.:-]*\s*=\s       # sent_id = 3
        | \#[ ]+\w[\w.:-]*=           # sent_id=3
        | \#\s*\w[\w.-]*:\s           # note: of somebody
        | \#\s*id\s+\S+\s+\S         # id 0f13 domain=en
        | \#\s*(begin|end)[ ]document\b
        | \#\s*new(doc|par)\b
    """,
    re.VERBOSE,
)

# The columns of CoNLL-U, https://universaldependencies.org/format.html
_UD = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
_UD_ID = re.compile(r"\d+(?P<no_word>[-.]\d+)?")  # 1-2 is a token of two words, 1.1 a word that is not written

Line = tuple[int, str]


@dataclass(frozen=True)
class _Shape:
    """Layout of a file's lines, as far as the first line of a word shows it.

    Attributes:
        tabs: whether tabs stand between the columns.
        columns: how many there are; 0 if no line shows it.
        ud: whether they are those of CoNLL-U.
    """

    tabs: bool = False
    columns: int = 0
    ud: bool = False

    def is_word(self, line: str) -> bool:
        """Whether a line is that of a word: a comment begins with #, and so does the line of a word such as #."""
        if self.ud:
            found = _UD_ID.match(line)
            return not line.startswith("#") and not (found and found["no_word"])
        if not line.startswith("#"):
            return True
        cells = len(_cells(line))
        return not _COMMENT.match(line) and (self.columns == 0 or (self.tabs, self.columns) == (_has_tabs(line), cells))


def conll_blocks(source: Source, wanted: Mapping[str, str], config: DataConfig) -> Iterator[Block]:
    """Yields the sentences of a file; raises as `read_blocks`.

    Words are in the first column and tags in the last, or in those that data.text and data.label number; in CoNLL-U
    they are in FORM and UPOS, and columns have names.
    """
    names = {flag: name for name, flag in wanted.items()}
    text, label = names["--data.text"], names["--data.label"]
    if others := [name for name, flag in wanted.items() if flag not in ("--data.text", "--data.label")]:
        raise SFTError("SFT204", file=source.name, column=others[0], flag=wanted[others[0]], columns="none with names",
                       suggestion="")  # fmt: skip
    last, some = 0, False
    try:
        shape = _shape(source, config)
        first, second = (_UD.index("form"), _UD.index("upos")) if shape.ud else (_FIRST, _LAST)
        picks = (
            _number(config.text, first, shape, source, "--data.text"),
            _number(config.label_column if config.label else None, second, shape, source, "--data.label"),
        )
        with opened(source, config) as file:
            filling = Filling(file, source)
            sentences = _sentences(enumerate(file, start=1), shape, source)
            while True:
                block = Block({text: [], label: [], "word_lines": []}, [])
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
        raise not_decodable(source, config, error.reason, f"{source.name} after line {last}") from None
    if not some:
        raise SFTError("SFT202", file=source.name)


def _shape(source: Source, config: DataConfig) -> _Shape:
    with opened(source, config) as file:
        line = next((line for line in file if _says_something(line) and not line.startswith("#")), None)
    if line is None:
        return _Shape()
    cells = _cells(line)
    ud = len(cells) == len(_UD) and _has_tabs(line) and _UD_ID.fullmatch(cells[0]) is not None
    return _Shape(_has_tabs(line), len(cells), ud)


def _number(column: str | None, usual: int, shape: _Shape, source: Source, flag: str) -> int:
    """The number of a column, which the settings write as text; CoNLL-U names its columns too."""
    if column is None:
        return usual
    if shape.ud and column.lower() in _UD:
        return _UD.index(column.lower())
    if not _COLUMN.fullmatch(column):
        names, hint = "none with names", " Give its number: 0 is the first, -1 the last."
        if shape.ud:
            names, hint = ", ".join(map(str.upper, _UD)), ""
        raise SFTError("SFT204", file=source.name, column=column, flag=flag, columns=names, suggestion=hint)
    return int(column)


def _sentences(lines: Iterator[Line], shape: _Shape, source: Source) -> Iterator[list[Line]]:
    """Yields the lines of each sentence."""
    size = 0
    for is_sentence, group in groupby(lines, key=lambda line: _says_something(line[1])):
        if not is_sentence:
            continue
        sentence = []
        size = 0
        for line in group:
            if not shape.is_word(line[1]):
                continue
            sentence.append(line)
            size += len(line[1])
            if size > LONGEST_CELL:
                problem, hint = (
                    "a sentence that does not end within 64 million characters",
                    " Blank lines divide sentences.",
                )
                raise SFTError("SFT209", place=place(source.name, sentence[0][0]), problem=problem, hint=hint)
        if sentence:
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
    block.columns["word_lines"].append([line for line, _ in sentence])
    block.lines.append(sentence[0][0])


def _cells(line: str) -> list[str]:
    """The columns of a line, which tabs divide if there are any; a word may then hold spaces."""
    line = line.rstrip("\r\n")
    return [cell.strip() for cell in line.split("\t")] if _has_tabs(line) else line.split()


def _has_tabs(line: str) -> bool:
    return "\t" in line.strip()
