"""Rows of the first sheet of Excel workbooks (.xlsx), as blocks; lines are the sheet's row numbers."""

from __future__ import annotations

import datetime
import zipfile
import zlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain, islice
from operator import itemgetter
from typing import Any
from xml.etree.ElementTree import ParseError

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from sftkeras.config import DataConfig
from sftkeras.data.formats.blocks import BLOCK_BYTES, BLOCK_ROWS, Block
from sftkeras.data.formats.headers import FOLLOWING, check_header, column_names_of, columns_to_read, whole_rows
from sftkeras.data.formats.sources import Source
from sftkeras.errors import SFTError

# All texts of a workbook are held while it is read: beyond this size a .csv file is asked for.
_LARGEST = 1 << 30
_STRINGS = "xl/sharedStrings.xml"
_UNREADABLE = (
    *(InvalidFileException, zipfile.BadZipFile, zlib.error, ParseError, OSError, EOFError),
    *(KeyError, ValueError, TypeError, AttributeError),  # how openpyxl meets parts that are missing or malformed
)

_Rows = Generator[tuple[list[str], int], None, None]


def excel_blocks(
    source: Source, wanted: Mapping[str, str], config: DataConfig, *, whole: bool = False
) -> Iterator[Block]:
    """Yields the rows of a workbook's first sheet, every cell as text; as `read_blocks`."""
    with closing(_sheet(source)) as numbered:
        header, data = _header(source, numbered, config, wanted)
        picks = {name: itemgetter(at) for name, at in columns_to_read(header, wanted, whole).items()}
        some = False
        while rows := _some_rows(data):
            cells, lines, broken = whole_rows(
                [_padded(row, len(header)) for row, _ in rows], [line for _, line in rows], len(header)
            )
            if cells or broken:
                some = True
                yield Block({name: list(map(pick, cells)) for name, pick in picks.items()}, lines, broken)
        if not some:
            raise SFTError("SFT203", file=source.name, what="a header")


def excel_columns(source: Source, config: DataConfig) -> list[str]:
    """Returns the names of the columns of a workbook's first sheet; raises as `read_blocks`."""
    with closing(_sheet(source)) as numbered:
        return _header(source, numbered, config)[0]


def _sheet(source: Source) -> _Rows:
    """Yields the rows of the first sheet that are not empty, with their numbers."""
    if not source.file.stat().st_size:
        raise SFTError("SFT202", file=source.name)
    try:
        with source.file.open("rb") as file:
            if _size_of_strings(source) > _LARGEST:
                raise SFTError("SFT292", file=source.name, problem="its texts take more than a gigabyte")
            # read_only streams the rows; data_only takes the values that formulas had when the file was saved.
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            for sheet in book.worksheets[:1]:
                sheet.reset_dimensions()  # some programs write a wrong size
                yield from _numbered(sheet)
    except _UNREADABLE as error:
        problem = (str(error).splitlines() or [type(error).__name__])[0].strip("'\".")
        raise SFTError("SFT292", file=source.name, problem=problem) from None


def _size_of_strings(source: Source) -> int:
    with zipfile.ZipFile(source.file) as archive:
        return archive.getinfo(_STRINGS).file_size if _STRINGS in archive.namelist() else 0


def _numbered(sheet: Any) -> _Rows:
    for line, row in enumerate(sheet.iter_rows(values_only=True), start=1):
        cells = list(map(_shown, row))
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            yield cells, line


def _shown(cell: Any) -> str:
    """A cell as Excel shows it, but that dates are in ISO's form; errors such as #N/A are empty."""
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, float):
        return f"{cell:.15g}"  # the digits that Excel keeps
    if isinstance(cell, datetime.datetime):
        return str(cell.date() if cell.time() == datetime.time() else cell)
    return "" if cell is None or cell in _ERRORS else str(cell)


_ERRORS = ("#N/A", "#REF!", "#NAME?", "#DIV/0!", "#VALUE!", "#NUM!", "#NULL!")


def _header(
    source: Source, numbered: _Rows, config: DataConfig, wanted: Mapping[str, str] | None = None
) -> tuple[list[str], Iterator[tuple[list[str], int]]]:
    """Returns the names of the columns, and the rows of data."""
    found = next(numbered, None)
    if found is None:
        raise SFTError("SFT202", file=source.name)
    first, line = found
    if config.columns and len(first) < len(config.columns):  # its last cells may be empty
        first = _padded(first, len(config.columns))
    header, is_data = column_names_of(first, line, source, config)
    if wanted is None:
        return header, numbered
    following = list(islice(numbered, FOLLOWING))
    check_header(source, header, [row for row, _ in following], wanted, line)
    return header, chain([(first, line)] if is_data else [], following, numbered)


def _padded(row: Sequence[str], width: int) -> list[str]:
    return [*row, *[""] * (width - len(row))]


def _some_rows(numbered: Iterator[tuple[list[str], int]]) -> list[tuple[list[str], int]]:
    """Takes the rows of one block."""
    rows: list[tuple[list[str], int]] = []
    size = 0
    for row, line in numbered:
        rows.append((row, line))
        size += sum(map(len, row))
        if len(rows) >= BLOCK_ROWS or size > BLOCK_BYTES:
            break
    return rows
