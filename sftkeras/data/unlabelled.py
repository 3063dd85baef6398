"""Texts without labels, block by block, from a data file, a text file or standard input: what `predict` reads."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from sftkeras.config import DataConfig
from sftkeras.data.blocks import BLOCK_ROWS, Block
from sftkeras.data.findings import place
from sftkeras.data.label_cells import cell_text
from sftkeras.data.marking import marked_blocks
from sftkeras.data.read import read_blocks
from sftkeras.data.sources import find_source
from sftkeras.errors import SFTError

STANDARD_INPUT = "-"

_CHUNK = 65536  # bytes, what a pipe holds


@dataclass(frozen=True)
class Texts:
    """Consecutive texts of a file.

    Attributes:
        texts: the texts.
        pairs: the second texts, if there are any.
        done: share of the file read so far; None where its size is not known.
    """

    texts: list[str]
    pairs: list[str] | None = None
    done: float | None = None


def has_columns(file: str) -> bool:
    """Whether `read_texts` reads named columns from the file, not one text a line."""
    return file != STANDARD_INPUT and not file.lower().endswith(".txt")


def read_texts(file: str, config: DataConfig) -> Iterator[Texts]:
    """Yields the texts of a file, and stops at the first row that has none.

    Args:
        file: a data file, a .txt file of one text a line, or - for the same from standard input.
        config: the columns, and how to read them.

    Raises:
        SFTError: SFT201 to SFT213 and SFT238 for the file, SFT652 for a row without a text, SFT653 for broken bytes.
    """
    if not has_columns(file):
        yield from _lines(file)
        return
    source = find_source(file, "test", config.format, flag="--file")
    wanted = {config.text_column: "--text"} | ({config.pair: "--pair"} if config.pair else {})
    wanted |= dict.fromkeys(config.mark, "data.mark of the model's training")
    for block in marked_blocks(lambda: read_blocks(source, wanted, config), config):
        if block.broken:
            fault, line = block.broken[0]
            details = {"place": place(source.name, line), "more": "", "remedy": "", **fault.details}
            raise SFTError(fault.code, **details)
        texts = _column(block, config.text_column, source.name)
        pairs = _column(block, config.pair, source.name) if config.pair else None
        yield Texts(texts, pairs, block.done)


def _column(block: Block, column: str, file: str) -> list[str]:
    return [_text(cell, file, line, column) for cell, line in zip(block.columns[column], block.lines, strict=True)]


def _text(cell: Any, file: str, line: int, column: str) -> str:
    text = cell if isinstance(cell, str) else cell_text(cell)
    if text is None:
        raise SFTError("SFT652", place=place(file, line), column=column)
    # A broken byte is read as a lone surrogate.
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise SFTError("SFT653", place=place(file, line))
    return text


def _lines(file: str) -> Iterator[Texts]:
    """Yields one text a line."""
    name = "standard input" if file == STANDARD_INPUT else file
    number = 1
    for block in _arriving_lines() if file == STANDARD_INPUT else _file_lines(file):
        yield Texts(list(_decoded(enumerate(block, start=number), name)))
        number += len(block)


def _file_lines(file: str) -> Iterator[list[bytes]]:
    path = Path(file).expanduser()
    if not path.is_file():
        raise SFTError("SFT201", flag="--file", file=file, suggestion="")
    try:
        opened = path.open("rb")
    except OSError as error:
        raise SFTError("SFT238", file=file, problem=error.strerror) from error
    with opened as lines:
        while block := list(islice(lines, BLOCK_ROWS)):
            yield block


def _arriving_lines() -> Iterator[list[bytes]]:
    """Yields the lines that are there, however few, so that answers do not wait for the end of a pipe."""
    stream = sys.stdin.buffer
    assert isinstance(stream, io.BufferedIOBase)
    unfinished: list[bytes] = []
    while chunk := stream.read1(_CHUNK):
        if b"\n" not in chunk:
            unfinished.append(chunk)
            continue
        *lines, rest = b"".join([*unfinished, chunk]).split(b"\n")
        unfinished = [rest] if rest else []
        yield lines
    if unfinished:
        yield [b"".join(unfinished)]


def _decoded(block: Iterable[tuple[int, bytes]], name: str) -> Iterator[str]:
    for number, line in block:
        try:
            yield line.rstrip(b"\r\n").decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise SFTError("SFT653", place=place(name, number)) from error
