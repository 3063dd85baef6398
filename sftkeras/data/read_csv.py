"""Rows of CSV and TSV files, as blocks with the physical line each row begins on."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import Any, Literal, TextIO

from sftkeras.config import DataConfig
from sftkeras.data.blocks import LONGEST_CELL, Block, check_columns, shortened
from sftkeras.data.findings import Fault, place
from sftkeras.data.sources import Source
from sftkeras.data.text_files import Filling, not_decodable, opened
from sftkeras.errors import SFTError

_DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}


def csv_blocks(source: Source, wanted: Mapping[str, str], config: DataConfig) -> Iterator[Block]:
    """Yields the rows of a CSV or TSV file; raises as `read_blocks`."""
    with opened(source, config) as text:
        reader = _reader(text, source, config)
        header = _csv_header(source, reader, config)
        _check_delimiter(source, header, wanted)
        check_columns(source, header, wanted)
        picks = {name: itemgetter(header.index(name)) for name in wanted}
        filling = Filling(text, source)
        some = False
        while True:
            rows, lines = _csv_rows(source, reader, filling, config)
            if not rows:
                break
            rows, lines, broken = _whole_rows(rows, lines, len(header), config)
            some = some or bool(rows or broken)
            yield Block({name: list(map(pick, rows)) for name, pick in picks.items()}, lines, broken, filling.done)
        if not some:
            raise SFTError("SFT203", file=source.name, what="a header")


def csv_columns(source: Source, config: DataConfig) -> list[str]:
    """Returns the names of the columns of a CSV or TSV file; raises as `read_blocks`."""
    with opened(source, config) as text:
        return _csv_header(source, _reader(text, source, config), config)


def _reader(text: TextIO, source: Source, config: DataConfig) -> Any:
    csv.field_size_limit(LONGEST_CELL)
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if config.quoted else csv.QUOTE_NONE
    # strict: a quote that is never closed must not swallow the rest of the file.
    return csv.reader(text, delimiter=delimiter_of(source, config), quoting=quoting, strict=True)


def delimiter_of(source: Source, config: DataConfig) -> str:
    """Returns the character between the columns; `tab` and a backslash with a t mean a tab."""
    if config.delimiter is None:
        return "\t" if source.format == "tsv" else ","
    delimiter = {"tab": "\t", "\\t": "\t"}.get(config.delimiter, config.delimiter)
    if len(delimiter) != 1 or delimiter in '"\r\n':
        problem = f"{config.delimiter!r} is not one character that can stand between columns."
        raise SFTError("SFT102", flag="--data.delimiter", problem=problem)
    return delimiter


def _csv_header(source: Source, reader: Any, config: DataConfig) -> list[str]:
    try:
        header = next((row for row in reader if row), None)
    except csv.Error as error:
        raise _row_error(source, config, 1, error) from None
    except UnicodeDecodeError as error:
        raise not_decodable(source.name, config.encoding, error.reason) from None
    if header is None:
        raise SFTError("SFT202", file=source.name)
    joined = "".join(header)
    if "\0" in joined:
        raise SFTError("SFT208", place=place(source.name, 1), column="names", more="", remedy="Is it a text file?")
    if any("\ud800" <= letter <= "\udfff" for letter in joined):
        found = "in the column names"
        raise not_decodable(place(source.name, reader.line_num), config.encoding, found)
    return [name.strip() for name in header]


def _check_delimiter(source: Source, header: list[str], wanted: Mapping[str, str]) -> None:
    if len(header) > 1 or header[0] in wanted:
        return
    fitting = [delimiter for delimiter in _DELIMITERS if delimiter in header[0]]
    # The one that yields the most wanted columns comes first.
    fitting.sort(key=lambda delimiter: -len(set(wanted) & {name.strip() for name in header[0].split(delimiter)}))
    if fitting:
        shown, value = _DELIMITERS[fitting[0]], "tab" if fitting[0] == "\t" else f'"{fitting[0]}"'
        names = shortened(repr(header[0]), 60)
        raise SFTError("SFT205", file=source.name, header=names, fitting=shown, flag_value=value)


def _csv_rows(source: Source, reader: Any, filling: Filling, config: DataConfig) -> tuple[list[list[str]], list[int]]:
    """Takes the rows of one block, with the line each begins on."""
    rows: list[list[str]] = []
    lines: list[int] = []
    begin = reader.line_num + 1
    filling.begin()
    try:
        for row in reader:
            rows.append(row)
            lines.append(begin)
            begin = reader.line_num + 1
            if filling.full(len(rows)):
                break
    except csv.Error as error:
        raise _row_error(source, config, begin, error) from None
    except UnicodeDecodeError as error:
        raise not_decodable(f"{source.name} after line {begin - 1}", config.encoding, error.reason) from None
    return rows, lines


def _row_error(source: Source, config: DataConfig, line: int, error: csv.Error) -> SFTError:
    hint = " If quotes have no special meaning in this file, set --data.quoted false."
    if not config.quoted:
        problem, hint = f"a row that cannot be read ({error})", " Is it a text file, with lines that end?"
    elif "unexpected end" in str(error) or "field limit" in str(error):
        problem = 'a quote (") opened in this row is never closed'
    elif "expected after" in str(error):
        problem = 'a closing quote (") is not followed by a delimiter; within quotes, a quote is written ""'
    else:
        problem = str(error)
    return SFTError("SFT209", place=place(source.name, line), problem=problem, hint=hint)


def _whole_rows(
    rows: list[list[str]], lines: list[int], width: int, config: DataConfig
) -> tuple[list[list[str]], list[int], list[tuple[Fault, int]]]:
    """Parts the rows that have one cell for each column from those that do not; empty lines are no rows."""
    if set(map(len, rows)) == {width}:
        return rows, lines, []
    if width == 1:  # here an empty line is an empty cell
        rows = [row or [""] for row in rows]
    whole, whole_lines, broken = [], [], []
    hint = ' A cell that holds the delimiter needs quotes (") around it.'
    if not config.quoted:
        hint = " With --data.quoted false no cell can hold the delimiter."
    for row, line in zip(rows, lines, strict=True):
        if len(row) == width:
            whole.append(row)
            whole_lines.append(line)
        elif any(map(str.strip, row)):
            broken.append((Fault("SFT206", {"found": str(len(row)), "expected": str(width), "hint": hint}), line))
    return whole, whole_lines, broken
