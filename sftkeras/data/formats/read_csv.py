"""Rows of CSV and TSV files, as blocks with the physical line each row begins on."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from operator import itemgetter
from typing import Any, Literal, TextIO

from sftkeras.config import DataConfig
from sftkeras.data.checks.findings import place
from sftkeras.data.formats.blocks import LONGEST_CELL, Block, shortened
from sftkeras.data.formats.headers import FOLLOWING, check_header, column_names_of, columns_to_read, whole_rows
from sftkeras.data.formats.sources import Source
from sftkeras.data.formats.text_files import Filling, not_decodable, opened
from sftkeras.errors import SFTError

_DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}

# For rows of too many or too few cells.
_QUOTED_HINT = ' A cell that holds the delimiter needs quotes (") around it.'
_UNQUOTED_HINT = " With --data.quoted false no cell can hold the delimiter."

_EXCEL = re.compile(r'"?sep=(.)"?[\r\n]*', re.IGNORECASE)


def csv_blocks(
    source: Source, wanted: Mapping[str, str], config: DataConfig, *, whole: bool = False
) -> Iterator[Block]:
    """Yields the rows of a CSV or TSV file; as `read_blocks`."""
    with opened(source, config) as text:
        reader, delimiter = _reader(text, source, config)
        numbered = _numbered(source, reader, config)
        first, line = _first_row(source, numbered, config)
        if config.columns is None or len(config.columns) > 1:
            _check_delimiter(source, first, wanted, line)
        header, is_data = column_names_of(first, line, source, config)
        following = list(islice(numbered, FOLLOWING))
        below = [row for row, _ in following]
        check_header(source, header, below, wanted, line, _redivided([first, *below], delimiter))
        numbered = chain([(first, line)] if is_data else [], following, numbered)
        picks = {name: itemgetter(at) for name, at in columns_to_read(header, wanted, whole).items()}
        hint = _QUOTED_HINT if config.quoted else _UNQUOTED_HINT
        filling = Filling(text, source)
        some = False
        while True:
            rows, lines = _csv_rows(numbered, filling)
            if not rows:
                break
            rows, lines, broken = whole_rows(rows, lines, len(header), hint)
            some = some or bool(rows or broken)
            yield Block({name: list(map(pick, rows)) for name, pick in picks.items()}, lines, broken, filling.done)
        if not some:
            raise SFTError("SFT203", file=source.name, what="a header")


def csv_columns(source: Source, config: DataConfig) -> list[str]:
    """Returns the names of the columns of a CSV or TSV file; raises as `read_blocks`."""
    with opened(source, config) as text:
        reader, _ = _reader(text, source, config)
        first, line = _first_row(source, _numbered(source, reader, config), config)
        return column_names_of(first, line, source, config)[0]


def _reader(text: TextIO, source: Source, config: DataConfig) -> tuple[Any, str]:
    """Makes the reader of a file's rows; also returns the delimiter, which the file itself may name."""
    csv.field_size_limit(LONGEST_CELL)
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if config.quoted else csv.QUOTE_NONE
    delimiter = delimiter_of(source, config)
    line = _first_line(text, source, config)
    if found := _EXCEL.fullmatch(line):  # a note of Excel to itself
        line = "\n"  # keeps the numbers of the lines
        delimiter = delimiter if config.delimiter else found[1]
    # strict: a quote that is never closed must not swallow the rest of the file.
    return csv.reader(chain([line], text), delimiter=delimiter, quoting=quoting, strict=True), delimiter


def _first_line(text: TextIO, source: Source, config: DataConfig) -> str:
    try:
        return text.readline()
    except UnicodeDecodeError as error:
        raise not_decodable(source, config, error.reason) from None


def delimiter_of(source: Source, config: DataConfig) -> str:
    """Returns the character between the columns; `tab` and a backslash with a t mean a tab."""
    if config.delimiter is None:
        return "\t" if source.format == "tsv" else ","
    delimiter = {"tab": "\t", "\\t": "\t"}.get(config.delimiter, config.delimiter)
    if len(delimiter) != 1 or delimiter in '"\r\n':
        problem = f"{config.delimiter!r} is not one character that can stand between columns."
        raise SFTError("SFT102", flag="--data.delimiter", problem=problem)
    return delimiter


def _numbered(source: Source, reader: Any, config: DataConfig) -> Iterator[tuple[list[str], int]]:
    """Yields the rows, each with the line it begins on."""
    begin = reader.line_num + 1
    try:
        for row in reader:
            yield row, begin
            begin = reader.line_num + 1
    except csv.Error as error:
        raise _row_error(source, config, begin, error) from None
    except UnicodeDecodeError as error:
        where = f"{source.name} after line {begin - 1}" if begin > 1 else source.name
        raise not_decodable(source, config, error.reason, where) from None


def _first_row(source: Source, numbered: Iterator[tuple[list[str], int]], config: DataConfig) -> tuple[list[str], int]:
    first = next(((row, line) for row, line in numbered if row), None)
    if first is None:
        raise SFTError("SFT202", file=source.name)
    joined = "".join(first[0])
    if "\0" in joined:
        where = place(source.name, first[1])
        raise SFTError("SFT208", place=where, column="names", more="", remedy="Is it a text file?")
    if not config.columns and any("\ud800" <= letter <= "\udfff" for letter in joined):
        raise not_decodable(source, config, "in the column names", place(source.name, first[1]))
    return first


def _check_delimiter(source: Source, header: list[str], wanted: Mapping[str, str], line: int) -> None:
    if len(header) > 1 or header[0].strip() in wanted:
        return
    fitting = [delimiter for delimiter in _DELIMITERS if delimiter in header[0]]
    # The one that yields the most wanted columns comes first.
    fitting.sort(key=lambda delimiter: -len(set(wanted) & {name.strip() for name in header[0].split(delimiter)}))
    if fitting:
        names, where = shortened(repr(header[0]), 60), place(source.name, line)
        shown, value = _DELIMITERS[fitting[0]], _flag_value(fitting[0])
        raise SFTError("SFT205", place=where, header=names, fitting=shown, flag_value=value)


def _flag_value(delimiter: str) -> str:
    return "tab" if delimiter == "\t" else f'"{delimiter}"'


def _redivided(rows: list[list[str]], delimiter: str) -> tuple[str, list[list[str]]] | None:
    """The flag of a delimiter that divides all of the first rows alike, if the one used does not, and these rows."""
    if len({len(row) for row in rows}) == 1 and len(rows[0]) > 1:
        return None
    lines = [delimiter.join(row) for row in rows if row]
    for other in _DELIMITERS:
        divided = [line.split(other) for line in lines]
        if other != delimiter and len(set(map(len, divided))) == 1 and len(divided[0]) > 1:
            return f" --data.delimiter {_flag_value(other)}", divided
    return None


def _csv_rows(numbered: Iterator[tuple[list[str], int]], filling: Filling) -> tuple[list[list[str]], list[int]]:
    """Takes the rows of one block, with the line each begins on."""
    rows: list[list[str]] = []
    lines: list[int] = []
    filling.begin()
    for row, line in numbered:
        rows.append(row)
        lines.append(line)
        if filling.full(len(rows)):
            break
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
