"""Rows that hold spans of their text in columns of their own, to texts with markers around these spans."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Any, NamedTuple

from sftkeras.config import DataConfig, LabelKind, markers_of
from sftkeras.data.blocks import Block, shortened
from sftkeras.data.findings import Fault
from sftkeras.errors import SFTError


class _Span(NamedTuple):
    """Characters of a text, the end exclusive, and the column that names them."""

    start: int
    end: int
    column: str


def check_marks(config: DataConfig, label_kind: LabelKind) -> None:
    """Finds what is wrong with data.mark itself.

    Raises:
        SFTError: SFT259.
    """
    if not config.mark:
        return
    if label_kind in ("spans", "answers"):
        raise SFTError("SFT259", problem="the labels of this task are places in the text, which markers would move")
    for column in config.mark:
        if not column.strip() or column.strip() != column or not column.isprintable() or config.mark.count(column) > 1:
            raise SFTError("SFT259", problem=f'"{column}" is named twice, or makes no marker that can be seen')


def marked_blocks(blocks: Iterator[Block], config: DataConfig) -> Iterator[Block]:
    """Yields the blocks with the spans of data.mark marked in the texts; rows at fault are noted as broken (SFT258)."""
    return (_marked_block(block, config) for block in blocks) if config.mark else blocks


def _marked_block(block: Block, config: DataConfig) -> Block:
    kept: dict[str, list[Any]] = {name: [] for name in block.columns}
    lines, broken = [], list(block.broken)
    for row, line in enumerate(block.lines):
        cells = {name: column[row] for name, column in block.columns.items()}
        text = cells[config.text_column]
        # The reading of texts tells what is wrong with one that is none.
        marked = _marked(text, [(name, cells[name]) for name in config.mark]) if isinstance(text, str) else text
        if isinstance(marked, Fault):
            broken.append((marked, line))
            continue
        cells[config.text_column] = marked
        for name, column in kept.items():
            column.append(cells[name])
        lines.append(line)
    return Block(kept, lines, broken, block.done)


def _marked(text: str, cells: Sequence[tuple[str, Any]]) -> str | Fault:
    """The text with each span between its markers, or why that cannot be."""
    spans = []
    for column, cell in cells:
        if there := next((marker for marker in markers_of(column) if marker in text), None):
            return _fault(f'the text has the marker "{there}" already')
        place = _place(cell)
        if place is None:
            found = shortened(json.dumps(cell, ensure_ascii=False, default=str))
            return _fault(f"{found} in column {column} is no span")
        start, end = place
        if not 0 <= start < end <= len(text):
            return _fault(f"{column} from {start} to {end} is outside of its {len(text)} characters")
        spans.append(_Span(start, end, column))
    for first, second in permutations(spans, 2):
        if first.start < second.start < first.end < second.end:
            return _fault(f"{first.column} and {second.column} overlap, and neither lies within the other")
    return _with_markers(text, spans)


def _place(cell: Any) -> tuple[int, int] | None:
    """Start and end of [start, end] or {start, end}; where cells are strings, as JSON writes it."""
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except ValueError:
            return None
    if isinstance(cell, dict):
        cell = [cell.get("start"), cell.get("end")]
    if not isinstance(cell, (list, tuple)) or len(cell) != 2 or not all(type(place) is int for place in cell):
        return None
    return cell[0], cell[1]


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
