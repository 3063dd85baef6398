"""Rows that hold spans of their text in columns of their own, to texts with markers around these spans."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from typing import Any, NamedTuple

from sftkeras.config import DataConfig, markers_of
from sftkeras.data.checks.findings import Fault
from sftkeras.data.formats.blocks import Block, shortened
from sftkeras.data.formats.cells import structured, whole_number
from sftkeras.data.formats.offsets import Counting, Quote, counted_blocks, in_characters, quoted
from sftkeras.errors import SFTError


class _Span(NamedTuple):
    """Characters of a text, the end exclusive, and the column that names them."""

    start: int
    end: int
    column: str


def check_marks(config: DataConfig) -> None:
    """Checks that each column of data.mark is named once and makes a marker that can be seen.

    Raises:
        SFTError: SFT259.
    """
    for column in config.mark:
        if not column.strip() or column.strip() != column or not column.isprintable() or config.mark.count(column) > 1:
            raise SFTError("SFT259", problem=f'"{column}" is named twice, or makes no marker that can be seen')


def marked_blocks(read: Callable[[], Iterator[Block]], config: DataConfig) -> Iterator[Block]:
    """Yields blocks with the spans of data.mark marked in the texts; rows at fault are noted as broken (SFT258).

    Args:
        read: gives the blocks; called again where the file must be read twice (see `offsets`).
    """
    if not config.mark:
        yield from read()
        return
    for block, counting in counted_blocks(read(), read, lambda block: _quotes(block, config)):
        yield _marked_block(block, counting, config)


def _quotes(block: Block, config: DataConfig) -> Iterator[Quote]:
    """The texts that the rows give for the places of their spans."""
    for column in config.mark:
        for text, cell in zip(block.columns[config.text_column], block.columns[column], strict=True):
            if not isinstance(text, str) or text.isascii():
                continue
            place = _place(cell)
            if place and place.words is not None:
                yield Quote(text, place.start, place.end, place.words)


def _marked_block(block: Block, counting: Counting, config: DataConfig) -> Block:
    result = Block({name: [] for name in block.columns}, [], list(block.broken), block.done, list(block.odd))
    for row, line in enumerate(block.lines):
        cells = {name: column[row] for name, column in block.columns.items()}
        text = cells[config.text_column]
        # The reading of texts reports what is wrong with one that is none.
        marks = [(name, cells[name]) for name in config.mark]
        marked = _marked(text, marks, counting) if isinstance(text, str) else text
        if isinstance(marked, Fault):
            result.broken.append((marked, line))
            continue
        cells[config.text_column] = marked
        for name, column in result.columns.items():
            column.append(cells[name])
        result.lines.append(line)
        if counting != "characters" and isinstance(text, str) and not text.isascii():
            result.odd.append((Fault("SFT265", {"counting": counting}), line))
    return result


def _marked(text: str, cells: Sequence[tuple[str, Any]], counting: Counting) -> str | Fault:
    """The text with each span between its markers, or why that cannot be."""
    spans = []
    for column, cell in cells:
        if there := next((marker for marker in markers_of(column) if marker in text), None):
            return _fault(f'the text has the marker "{there}" already')
        span = _span(text, column, cell, counting)
        if isinstance(span, Fault):
            return span
        spans.append(span)
    for first, second in permutations(spans, 2):
        if first.start < second.start < first.end < second.end:
            return _fault(f"{first.column} and {second.column} overlap, and neither lies within the other")
    return _with_markers(text, spans)


def _span(text: str, column: str, cell: Any, counting: Counting) -> _Span | Fault:
    place = _place(cell)
    if place is None:
        found = shortened(json.dumps(cell, ensure_ascii=False, default=str))
        return _fault(f"{found} in column {column} is no span")
    start, end = (in_characters(text, at, counting) for at in (place.start, place.end))
    if place.words is not None and not quoted(Quote(text, place.start, place.end, place.words), counting):
        return _fault(f'{column} from {place.start} to {place.end} is not "{shortened(place.words)}", as the file says')
    if start is None or end is None or start >= end:
        return _fault(f"{column} from {place.start} to {place.end} is outside of its {len(text)} characters")
    return _Span(start, end, column)


class _Place(NamedTuple):
    """A place as the file has it: start and end count what the file counts; the words, if it says which are there."""

    start: int
    end: int
    words: str | None


def _place(cell: Any) -> _Place | None:
    """The place that [start, end] or {start, end} is; where cells are strings, as tables write it."""
    cell = structured(cell)
    words = None
    if isinstance(cell, dict):
        words = cell["text"] if isinstance(cell.get("text"), str) else None
        cell = [cell.get("start"), cell.get("end")]
    if not isinstance(cell, (list, tuple)) or len(cell) != 2:
        return None
    start, end = map(whole_number, cell)
    return None if start is None or end is None else _Place(start, end, words)


def _with_markers(text: str, spans: Sequence[_Span]) -> str:
    """Puts the markers in; a span within another has its own inside of the other's, the later of equal ones too."""
    numbered = list(enumerate(spans))
    opening = sorted(numbered, key=lambda it: (it[1].start, -it[1].end, it[0]))
    closing = sorted(numbered, key=lambda it: (it[1].end, -it[1].start, -it[0]))
    # At one place, what ends there comes before what begins.
    marks = [(span.end, 0, markers_of(span.column)[1]) for _, span in closing]
    marks += [(span.start, 1, markers_of(span.column)[0]) for _, span in opening]
    pieces, place = [], 0
    for at, _, marker in sorted(marks, key=lambda mark: mark[:2]):
        pieces += [text[place:at], marker]
        place = at
    return "".join([*pieces, text[place:]])


def _fault(problem: str) -> Fault:
    return Fault("SFT258", {"problem": problem})
