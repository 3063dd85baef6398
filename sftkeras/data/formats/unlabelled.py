"""Texts without labels, block by block, from data files, text files or standard input: what `predict` reads."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any, cast

from sftkeras.config import DataConfig
from sftkeras.conversations import Conversation
from sftkeras.data.checks.findings import REMEDY, Fault, FaultTally, place
from sftkeras.data.formats.blocks import BLOCK_ROWS, AskedBlock, Block
from sftkeras.data.formats.cells import cell_text
from sftkeras.data.formats.label_studio import results_key, task_blocks
from sftkeras.data.formats.marking import marked_blocks
from sftkeras.data.formats.patterns import listed
from sftkeras.data.formats.read import column_names, read_blocks
from sftkeras.data.formats.read_lines import line_blocks
from sftkeras.data.formats.read_squad import is_squad, squad_blocks
from sftkeras.data.formats.sources import Source, find_part
from sftkeras.data.formats.text_files import advice_for, encoding_of
from sftkeras.errors import SFTError

STANDARD_INPUT = "-"

FindAsked = Callable[[Source, DataConfig], Iterator[AskedBlock] | None]
"""(a source, how to read it) → its conversations, or None if it holds plain texts."""

_CHUNK = 65536  # bytes, what a pipe holds
_OF_QUESTIONS = ("id", "title")  # the other columns of the SQuAD format, but for its answers


@dataclass(frozen=True)
class TextBlock:
    """Consecutive rows of a file.

    Attributes:
        texts: the texts.
        pairs: the second texts, if there are any.
        others: the cells of the other columns, by their names.
        places: file and line of each row; empty for texts that come from none.
        done: share of all files read so far; None where their size is not known.
        asked: the conversations that end with these texts, if the rows hold conversations.
    """

    texts: list[str]
    pairs: list[str] | None = None
    others: Mapping[str, list[Any]] = field(default_factory=dict)
    places: Sequence[tuple[str, int]] = ()
    done: float | None = None
    asked: list[Conversation] | None = None


class TextFiles:
    """The files of texts that a command names, or standard input.

    Args:
        files: data files, .txt files of one text a line, or - for the same from standard input.
        config: the columns, and how to read them.
        asked: finds the conversations of a source, None in one of plain texts; None where no conversations are wanted.
        flag: the setting that names the files, for messages.

    Attributes:
        has_columns: whether the texts stand in named columns.
        can_be_read_again: whether they are files, not standard input.
        tallies: of each file, the rows that were skipped or look odd, once they are read.

    Raises:
        SFTError: SFT201 to SFT212 and others for files that cannot be found, see `find_part`.
    """

    def __init__(
        self, files: str | Sequence[str], config: DataConfig, asked: FindAsked | None = None, flag: str = "--file"
    ) -> None:
        self._config, self._asked = config, asked
        arriving = listed(files) == [STANDARD_INPUT]
        self._sources = [] if arriving else find_part(files, "test", config.format, flag=flag)
        self.has_columns = any(source.format != "text" for source in self._sources)
        self.can_be_read_again = not arriving
        self.tallies: dict[str, FaultTally] = {}

    def read(self) -> Iterator[TextBlock]:
        """Yields the texts in order. Rows without a text or with broken bytes stop it, or are skipped and counted.

        Raises:
            SFTError: SFT202 to SFT213 and SFT238 for a file, SFT652 for a row without a text, SFT653 for broken bytes.
        """
        if not self._sources:
            yield from self._checked("standard input", _arriving_blocks(self._config), lambda: "")
        for number, source in enumerate(self._sources):
            blocks = self._blocks(source)
            for texts in self._checked(source.name, blocks, partial(advice_for, source, self._config.encoding)):
                done = (number + texts.done) / len(self._sources) if texts.done else None
                yield replace(texts, done=done)

    def _blocks(self, source: Source) -> Iterator[Block]:
        config = self._config
        if self._asked and (asked := self._asked(source, config)):
            return asked
        if source.format == "text":  # line n of the predictions is that of line n of the file, blank or not
            return line_blocks(source, config, blank=True)
        wanted = {config.text_column: "--text"} | ({config.pair: "--pair"} if config.pair else {})
        wanted |= dict.fromkeys(config.mark, "data.mark of the model's training")
        if is_squad(source, config):
            return squad_blocks(source, wanted | dict.fromkeys(_OF_QUESTIONS, ""), config)
        if results_key(column_names(source, config) or ()):
            return task_blocks(source, config)
        return marked_blocks(lambda: read_blocks(source, wanted, config, whole=True), config)

    def _checked(self, name: str, blocks: Iterator[Block], advise: Callable[[], str]) -> Iterator[TextBlock]:
        """Turns blocks into texts; their rows at fault are raised or counted.

        Args:
            advise: says which encoding may be meant.
        """
        tally = self.tallies.setdefault(name, FaultTally())
        advice = cache(advise)  # takes a look at the file
        for block in blocks:
            for fault, line in block.odd:
                tally.add(fault, line)
            faults = dict(_faults(block, self._config))
            at_fault = [*block.broken, *((fault, block.lines[row]) for row, fault in faults.items())]
            for fault, line in sorted(at_fault, key=lambda found: found[1]):
                if fault.code == "SFT653":
                    fault = Fault(fault.code, {**fault.details, "advice": advice()})
                if self._config.bad_rows == "error":
                    more = {"place": place(name, line), "more": "", "remedy": REMEDY}
                    raise SFTError(fault.code, **{**fault.details, **more})
                tally.add(fault, line)
            good = [row for row in range(len(block.lines)) if row not in faults]
            yield self._texts(name, block, good)

    def _texts(self, name: str, block: Block, rows: Sequence[int]) -> TextBlock:
        if isinstance(block, AskedBlock):
            asked = [block.asked[row] for row in rows]
            texts = [conversation.messages[-1].content for conversation in asked]
            others = {column: [cells[row] for row in rows] for column, cells in block.columns.items()}
            return TextBlock(texts, None, others, [(name, block.lines[row]) for row in rows], block.done, asked)
        read = {self._config.text_column, self._config.pair}
        columns = {column: [cells[row] for row in rows] for column, cells in block.columns.items()}
        return TextBlock(
            [_text(cell) or "" for cell in columns[self._config.text_column]],
            [_text(cell) or "" for cell in columns[self._config.pair]] if self._config.pair in columns else None,
            {column: cells for column, cells in columns.items() if column not in read},
            [(name, block.lines[row]) for row in rows],
            block.done,
        )


def _text(cell: Any) -> str | None:
    return cell if isinstance(cell, str) else cell_text(cell)


def _faults(block: Block, config: DataConfig) -> Iterator[tuple[int, Fault]]:
    """Yields what is wrong with rows, by their numbers: no text, or a cell that could not be decoded.

    An empty text counts as none only where such rows are skipped: otherwise each row has a prediction.
    """
    has_texts = not isinstance(block, AskedBlock)
    needed = [column for column in (config.text_column, config.pair) if has_texts and column in block.columns]
    for column, cells in block.columns.items():
        for row, cell in enumerate(cells):
            if column in needed and not isinstance(cell, str):
                cell = cell_text(cell)
            if column in needed and (cell is None or (config.bad_rows == "skip" and not cell.strip())):
                yield row, Fault("SFT652", {"column": column})
            elif isinstance(cell, str) and not cell.isascii() and _is_broken(cell):
                yield row, Fault("SFT653", {"encoding": config.encoding})


def _is_broken(text: str) -> bool:
    """Whether a text has a byte that could not be decoded, which is read as a lone surrogate."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def _arriving_blocks(config: DataConfig) -> Iterator[Block]:
    """Yields the lines of standard input that are there, however few: answers do not wait for the end of a pipe."""
    encoding = encoding_of(config)
    number = 1
    for lines in _arriving_lines():
        for begin in range(0, len(lines), BLOCK_ROWS):
            some = lines[begin : begin + BLOCK_ROWS]
            texts: list[Any] = [line.rstrip(b"\r\n").decode(encoding, "surrogateescape") for line in some]
            if number == 1 and some and some[0].startswith(codecs.BOM_UTF8):
                texts[0] = texts[0].removeprefix("\ufeff")
            yield Block({config.text_column: texts}, list(range(number, number + len(some))))
            number += len(some)


def _arriving_lines() -> Iterator[list[bytes]]:
    stream = sys.stdin.buffer
    assert isinstance(stream, io.BufferedIOBase)
    unfinished: list[bytes] = []
    while chunk := cast(Any, stream).read1(_CHUNK):
        if b"\n" not in chunk:
            unfinished.append(chunk)
            continue
        *lines, rest = b"".join([*unfinished, chunk]).split(b"\n")
        unfinished = [rest] if rest else []
        yield lines
    if unfinished:
        yield [b"".join(unfinished)]
