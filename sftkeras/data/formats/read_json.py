"""Rows of JSON Lines and of JSON arrays of objects, as blocks with the line each object begins on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from io import TextIOWrapper
from itertools import islice
from typing import Any, cast

from sftkeras.config import DataConfig
from sftkeras.data.checks.findings import Fault, place
from sftkeras.data.formats.blocks import LONGEST_CELL, Block, check_columns, shortened
from sftkeras.data.formats.json_tables import rows_of_table
from sftkeras.data.formats.sources import Source
from sftkeras.data.formats.text_files import Filling, not_decodable, opened
from sftkeras.errors import SFTError

_CHUNK = 1 << 20  # characters read at once

_PAIRS = "annotations"  # the key under which annotators for spaCy put its pairs

# Parsed values, their lines, and what could not be parsed.
_Parsed = tuple[list[Any], list[int], list[tuple[Fault, int]]]


def json_blocks(
    source: Source, wanted: Mapping[str, str], config: DataConfig, *, whole: bool = False
) -> Iterator[Block]:
    """Yields the rows of a .json or .jsonl file; as `read_blocks`."""
    with opened(source, config) as text:
        filling = Filling(text, source)
        yield from _object_blocks(source, wanted, filling, config, _parsed(text, source, filling, config), whole)


def first_keys(source: Source, config: DataConfig) -> list[str]:
    """Returns the keys of the objects in the first block of a .json or .jsonl file; raises as `read_blocks`."""
    with opened(source, config) as text:
        rows, _, _ = next(_parsed(text, source, Filling(text, source), config), ([], [], []))
        return list(dict.fromkeys(key for row in map(_object, rows) if row for key in row))


def _parsed(text: TextIOWrapper, source: Source, filling: Filling, config: DataConfig) -> Iterator[_Parsed]:
    if source.format == "jsonl":
        return _json_lines(enumerate(text, start=1), filling)
    if _holds_pairs(source, config):
        document = Document(text, source)
        go_to_list(document, _PAIRS)
        return _json_array(array_items(document), filling)
    if _begins_with_object(source, config):
        if (rows := _table(source, config)) is not None:
            return _json_array(((row, 1) for row in rows), filling)
        return _checked_lines(_json_lines(enumerate(text, start=1), filling), source)
    return _json_array(_whole_array(Document(text, source)), filling)


def _begins_with_object(source: Source, config: DataConfig) -> bool:
    """Whether a .json file holds objects one after another (JSON Lines) rather than an array of them."""
    with opened(source, config) as text:
        while chunk := text.read(_CHUNK):
            if found := re.search(r"\S", chunk):
                return found[0] == "{"
    return False


def _table(source: Source, config: DataConfig) -> list[Any] | None:
    """The rows of a .json file that is one object and a table; None for any other, also for JSON Lines.

    Raises:
        SFTError: SFT294 if the object is too large to be looked at.
    """
    with opened(source, config) as text:
        document = Document(text, source)
        try:
            value, _ = document.value()
            more = document.next()
        except (SFTError, UnicodeDecodeError):
            if document.is_overlong:
                problem = "is one object of more than 64 million characters"
                raise SFTError("SFT294", file=source.name, problem=problem) from None
            return None  # the reading of rows says what is wrong, and where
        return None if more else rows_of_table(value, config.text_column)


def _holds_pairs(source: Source, config: DataConfig) -> bool:
    """Whether a .json file is one object with a list of spaCy's pairs, as annotators for it export them."""
    with opened(source, config) as text:
        document = Document(text, source)
        try:
            if not go_to_list(document, _PAIRS):
                return False
            document.pass_by()
            return document.next() == "["
        except (SFTError, UnicodeDecodeError):  # the reading of rows says what is wrong, and where
            return False


def _checked_lines(parsed: Iterator[_Parsed], source: Source) -> Iterator[_Parsed]:
    """Refuses a .json file whose first object does not end on its line: its rows must be somewhere inside it."""
    for number, (rows, lines, broken) in enumerate(parsed):
        if number == 0 and broken and (not lines or broken[0][1] < lines[0]):
            problem = "a .json file must hold an array of objects, one whole object a line, or a table of pandas"
            raise SFTError("SFT210", place=place(source.name, broken[0][1]), problem=problem, more="", remedy="")
        yield rows, lines, broken


def _json_lines(numbered: Iterator[tuple[int, str]], filling: Filling) -> Iterator[_Parsed]:
    while True:
        rows: list[Any] = []
        lines: list[int] = []
        broken: list[tuple[Fault, int]] = []
        filling.begin()
        for line, text in numbered:
            try:
                rows.append(json.loads(text))
                lines.append(line)
            except (ValueError, RecursionError) as error:
                if text.strip():
                    broken.append((_syntax_fault(error), line))
            if filling.full(len(rows) + len(broken)):
                break
        if not rows and not broken:
            return
        yield rows, lines, broken


def _syntax_fault(error: Exception) -> Fault:
    if isinstance(error, json.JSONDecodeError):
        return Fault("SFT210", {"problem": f"{error.msg}, column {error.colno}"})
    return Fault("SFT210", {"problem": "nested too deeply" if isinstance(error, RecursionError) else str(error)})


def _json_array(items: Iterator[tuple[Any, int]], filling: Filling) -> Iterator[_Parsed]:
    while True:
        rows, lines = [], []
        filling.begin()
        for row, line in items:
            rows.append(row)
            lines.append(line)
            if filling.full(len(rows)):
                break
        if not rows:
            return
        yield rows, lines, []


def _whole_array(document: Document) -> Iterator[tuple[Any, int]]:
    """Yields the items of a document that is a JSON array, each with the line it begins on."""
    if document.next() != "[":
        raise document.error("an array of objects begins with [" if document.next() else "nothing in it")
    yield from array_items(document)
    if document.next():
        raise document.error("something follows the array")


def array_items(document: Document) -> Iterator[tuple[Any, int]]:
    """Yields the items of the JSON array that comes next in a document, each with the line it begins on."""
    document.pass_by()
    if document.next() == "]":
        document.pass_by()
        return
    separator = ","
    while separator == ",":
        yield document.value()
        separator = document.next()
        if separator not in (",", "]"):
            raise document.error("expected a comma or ] after the object before")
        document.pass_by()


def go_to_list(document: Document, key: str) -> bool:
    """Passes by what stands before the list that an object has as `key`; false if there is none."""
    if document.next() != "{":
        return False
    separator = ","
    while separator == ",":
        document.pass_by()
        if document.next() != '"':
            return False
        found, _ = document.value()
        if document.next() != ":":
            return False
        document.pass_by()
        if found == key:
            return document.next() == "["
        document.value()
        separator = document.next()
    return False


_SPACE = re.compile(r"[ \t\r\n]*")
_DECODE = json.JSONDecoder().raw_decode


class Document:
    """A JSON text of any size, of which only the part that is being read is held."""

    def __init__(self, text: TextIOWrapper, source: Source) -> None:
        self._text = text
        self._source = source
        self._held = ""
        self._at = 0
        self._line = 1
        self._ended = False
        self.is_overlong = False  # whether a value was too long to be read

    def next(self) -> str:
        """Returns the character after any white space, without passing by it; nothing at the end."""
        while True:
            begin = cast(re.Match[str], _SPACE.match(self._held, self._at)).end()
            self._advance(begin)
            if begin < len(self._held) or self._ended:
                return self._held[begin : begin + 1]
            self._read_on()

    def pass_by(self) -> None:
        """Passes by the character that `next` returned."""
        self._at += 1

    def value(self) -> tuple[Any, int]:
        """Reads the value that comes next, and returns it with its line."""
        self.next()
        while True:
            try:
                value, end = _DECODE(self._held, self._at)
            except json.JSONDecodeError as error:
                if self._ended or not _cut_off(error, self._held):
                    self._advance(error.pos)
                    raise self.error(error.msg) from None
            except RecursionError:
                raise self.error("nested too deeply") from None
            else:
                line = self._line
                self._advance(end)
                return value, line
            if len(self._held) - self._at > LONGEST_CELL:
                self.is_overlong = True
                raise self.error("an object that does not end within 64 million characters")
            self._read_on()

    def error(self, problem: str) -> SFTError:
        """Makes the error for a fault at this place."""
        where = place(self._source.name, self._line)
        return SFTError("SFT210", place=where, problem=problem, more="", remedy="")

    def _advance(self, to: int) -> None:
        self._line += self._held.count("\n", self._at, to)
        self._at = to

    def _read_on(self) -> None:
        # As much again as is held of an unfinished value: its parts are then parsed twice on average, not many times.
        more = self._text.read(max(_CHUNK, len(self._held) - self._at))
        self._held, self._at, self._ended = self._held[self._at :] + more, 0, not more


def _cut_off(error: json.JSONDecodeError, text: str) -> bool:
    """Whether the text may be valid but for its missing rest; the longest token but a string has under 32 letters."""
    return error.msg.startswith("Unterminated string") or error.pos > len(text) - 32


def _object_blocks(
    source: Source,
    wanted: Mapping[str, str],
    filling: Filling,
    config: DataConfig,
    parsed: Iterator[_Parsed],
    whole: bool,
) -> Iterator[Block]:
    """Turns parsed JSON values into columns; what is no object is a broken row."""
    checked = some = False
    last = 0
    try:
        for rows, lines, broken in parsed:
            if not some and rows and not any(map(_object, rows)) and all(isinstance(row, list) for row in rows):
                raise SFTError("SFT294", file=source.name, problem="has rows without the names of their columns")
            rows, lines = _objects(rows, lines, broken, wanted)
            if rows and not checked:
                check_columns(source, dict.fromkeys(key for row in rows for key in row), wanted)
                checked = True
            some, last = True, lines[-1] if lines else last
            names = dict.fromkeys([*wanted, *(key for row in rows for key in row)] if whole else wanted)
            yield Block({name: [row.get(name) for row in rows] for name in names}, lines, broken, filling.done)
    except UnicodeDecodeError as error:
        raise not_decodable(source, config, error.reason, f"{source.name} after line {last}") from None
    if not some:
        raise SFTError("SFT202", file=source.name)


def _objects(
    rows: list[Any], lines: list[int], broken: list[tuple[Fault, int]], wanted: Mapping[str, str]
) -> tuple[list[dict[str, Any]], list[int]]:
    if set(map(type, rows)) == {dict}:
        return rows, lines
    example = "{" + ", ".join(f'"{name}": …' for name in islice(wanted, 2)) + "}"
    good, good_lines = [], []
    for row, line in zip(rows, lines, strict=True):
        if (found := _object(row)) is not None:
            good.append(found)
            good_lines.append(line)
        else:
            broken.append((Fault("SFT211", {"example": example, "found": shortened(json.dumps(row))}), line))
    return good, good_lines


def _object(row: Any) -> dict[str, Any] | None:
    """The row as an object: spaCy's pairs `["Ann lives", {"entities": …}]` are one with the text as `text`."""
    if isinstance(row, dict):
        return row
    if isinstance(row, list) and len(row) == 2 and isinstance(row[0], str) and isinstance(row[1], dict):
        return {**row[1], "text": row[0]}
    return None
