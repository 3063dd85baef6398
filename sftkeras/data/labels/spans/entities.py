"""Entities as tools write them, `[0, 3, "PER"]` or an object, to spans of characters that lie in their text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from sftkeras.data.checks.findings import Fault
from sftkeras.data.formats.cells import shown, whole_number
from sftkeras.data.formats.offsets import Counting, Quote, in_characters, quoted

Span = tuple[int, int, str]
"""Start, end (exclusive) and label."""

_STARTS = ("start", "start_offset", "start_char")
_ENDS = ("end", "end_offset", "end_char")
_LABELS = ("label", "labels", "hypertextlabels", "type", "entity")


class Entity(NamedTuple):
    """An entity as the file has it: places count what the file counts.

    Attributes:
        words: what the file says is written there, if it says so.
    """

    start: int
    end: int
    label: str
    words: str | None


def read_entities(cells: Sequence[Any], names: Mapping[str, str] | None) -> list[Entity] | Fault:
    """Return the entities of a row, with the names that data.label_names gives their labels; or a fault.

    The fault is SFT252 for what is no entity, SFT215 or SFT267 for a number that has no name.
    """
    found: list[Entity] = []
    for cell in cells:
        entity = _entity(cell, names)
        if isinstance(entity, Fault):
            return entity
        found.append(entity)
    return found


def _entity(cell: Any, names: Mapping[str, str] | None) -> Entity | Fault:
    parts = _parts(cell)
    if parts is None:
        return Fault("SFT252", {"problem": f"{shown(cell)} is no entity with start, end and label"})
    start, end = whole_number(parts.start), whole_number(parts.end)
    if start is None or end is None:
        name, wrong = ("start", parts.start) if start is None else ("end", parts.end)
        return Fault("SFT252", {"problem": f"the {name} {shown(wrong)} is no whole number, in {shown(cell)}"})
    text = label_text(parts.label)
    if not text:
        return Fault("SFT252", {"problem": f"{shown(parts.label)} is not one label, in {shown(cell)}"})
    label = (names or {}).get(text, text)
    if not isinstance(parts.label, str) and text not in (names or {}):
        return unnamed(text, names, f'{{"{text}": "PER"}}')
    return Entity(start, end, label, parts.words)


class _Parts(NamedTuple):
    """The parts of an entity as a cell has them, not yet checked."""

    start: Any
    end: Any
    label: Any
    words: str | None = None


def _parts(cell: Any) -> _Parts | None:
    if isinstance(cell, dict):
        words = cell.get("text")
        has_words = isinstance(words, str) and bool(words.strip())
        label = _first(cell, _LABELS)
        if isinstance(label, (list, tuple)) and len(label) == 1:  # as Label Studio has it
            label = label[0]
        # In the pages of Label Studio, start and end are paths in the page, and these count its text.
        at = cell["globalOffsets"] if isinstance(cell.get("globalOffsets"), dict) else cell
        return _Parts(_first(at, _STARTS), _first(at, _ENDS), label, words if has_words else None)
    return _Parts(*cell) if isinstance(cell, (list, tuple)) and len(cell) == 3 else None


def _first(cell: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((cell[key] for key in keys if cell.get(key) is not None), None)


def label_text(value: Any) -> str | None:
    """Return a label or a tag as text: numbers too, as many data sets have them; None for what is neither."""
    if isinstance(value, str):
        return value.strip()
    number = whole_number(value)
    return None if number is None else str(number)


def unnamed(number: str, names: Mapping[str, str] | None, example: str) -> Fault:
    """Make the fault of a label that is a number and has no name in data.label_names.

    Args:
        example: what data.label_names could be.
    """
    if names:
        return Fault("SFT215", {"label": f'"{number}"', "known": ", ".join(islice(names, 10))})
    return Fault("SFT267", {"label": number, "example": example})


def have_words(cells: Sequence[Any]) -> bool:
    """Return whether any of the entities of a row says what is written there."""
    return any(isinstance(cell, dict) and "text" in cell for cell in cells)


def quotes_of(text: str, entities: Sequence[Entity]) -> Iterator[Quote]:
    """Yield what the file says is written at the places of a row's entities."""
    for entity in entities:
        if entity.words is not None:
            yield Quote(text, entity.start, entity.end, entity.words)


def spans_of(text: str, entities: Sequence[Entity], counting: Counting) -> list[Span] | Fault:
    """Return the spans in order, without outer spaces, if each lies in the text and no two overlap.

    Raises nothing; the fault is SFT253 for a place outside of the text or of spaces alone, SFT266 for one that holds
    other words than the file says, SFT254 for two that overlap.
    """
    found: list[Span] = []
    for entity in entities:
        span = _span_of(text, entity, counting)
        if isinstance(span, Fault):
            return span
        found.append(span)
    found = sorted(dict.fromkeys(found))
    for first, second in zip(found, islice(found, 1, None), strict=False):
        if second[0] < first[1]:
            both = f"{first[2]} from {first[0]} to {first[1]} and {second[2]} from {second[0]} to {second[1]}"
            return Fault("SFT254", {"problem": both})
    return found


def _span_of(text: str, entity: Entity, counting: Counting) -> Span | Fault:
    start, end = in_characters(text, entity.start, counting), in_characters(text, entity.end, counting)
    if entity.words is not None and not quoted(Quote(text, entity.start, entity.end, entity.words), counting):
        found = shown(text[start:end]) if start is not None and end is not None else "no whole characters"
        return Fault("SFT266", {"entity": _worded(entity), "found": found, "words": shown(entity.words)})
    if start is None or end is None or start >= end:
        length = f"{len(text)} characters" if counting == "characters" else f"text, in {counting}"
        return Fault("SFT253", {"problem": f"{_worded(entity)} is outside of its {length}"})
    inside = text[start:end]
    start, end = start + len(inside) - len(inside.lstrip()), end - (len(inside) - len(inside.rstrip()))
    if start >= end:
        return Fault("SFT253", {"problem": f"{_worded(entity)} holds nothing but spaces"})
    return start, end, entity.label


def _worded(entity: Entity) -> str:
    return f"{entity.label} from {entity.start} to {entity.end}"
