"""Marked-up texts of many formats to one form: a text, and the spans of characters that are entities.

Rows are read by the readers of their file format; here the cells of a row, whatever tool wrote them, become
`(start, end, label)`, with offsets that index the text as a Python string does. What a row looks like is told from
the keys of the first rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from sftkeras.config import DataConfig, TagScheme
from sftkeras.data.blocks import Block
from sftkeras.data.findings import Fault
from sftkeras.data.joining import joined_words
from sftkeras.data.label_studio import TASK, marks, results_key, task_text
from sftkeras.data.read import column_names, read_blocks, wanted_columns
from sftkeras.data.read_conll import conll_blocks
from sftkeras.data.sources import Part, Source
from sftkeras.data.tags import TagError, detect_scheme, word_spans

Span = tuple[int, int, str]
"""Start, end (exclusive) and label."""

# Where common tools put what the settings call text and label, looked for in this order.
_TEXT_KEYS = ("tokens", "words", "sentence")
_LABEL_KEYS = ("labels", "entities", "spans", "tags", "ner_tags", "pos_tags")

_SCHEME_NAMES = {"bio": "BIO", "iob1": "IOB1", "bioes": "BIOES", "io": "IO"}


@dataclass(frozen=True)
class Layout:
    """Where the rows of a file keep text and entities.

    Attributes:
        columns: the columns to read, each with the setting that names it.
        cells: takes a row to the cell of its text and that of its entities, or to a fault.
    """

    columns: dict[str, str]
    cells: Callable[[dict[str, Any]], tuple[Any, Any] | Fault]


def tagged_blocks(source: Source, config: DataConfig) -> Iterator[Block]:
    """Yields the rows of a source with the text in column `config.text_column` and a list of spans in
    `config.label_column`.

    Rows that cannot be brought to that form are in `broken`, as faults SFT217, SFT219 and SFT250 to SFT255. Raises as
    `read_blocks`.
    """
    layout = find_layout(source, config)
    read = conll_blocks if source.format in ("conll", "text") else read_blocks
    blocks = read(source, layout.columns, config)
    first = next(blocks, None)
    if first is None:
        return
    scheme = _scheme(first, layout, config)
    for block in chain([first], blocks):
        yield _converted(block, layout, scheme, config, source.part)


def find_layout(source: Source, config: DataConfig) -> Layout:
    """Tells from the keys of the first rows where text and entities are."""
    names = column_names(source, config)
    known = set(names or ())
    if (results := results_key(known)) and config.label in (None, results):
        columns = {TASK: "--data.text", results: "--data.label"}
        return Layout(columns, lambda row: _label_studio(row[TASK], row[results], config.text))
    text, label = config.text_column, config.label_column
    if config.text is None and known and text not in known:
        text = next((key for key in _TEXT_KEYS if key in known), text)
    if config.label is None and known and label not in known:
        label = next((key for key in _LABEL_KEYS if key in known), label)
    others = wanted_columns(config, source.part)
    found = (config.text_column, config.label_column)
    others = {column: flag for column, flag in others.items() if column not in found}
    columns = {text: "--data.text", label: "--data.label"} | others
    return Layout(columns, lambda row: (row[text], row[label]))


def _label_studio(task: Any, results: Any, text: str | None) -> tuple[Any, Any] | Fault:
    """Text and regions of a task of Label Studio's JSON export."""
    found = marks(task, results)
    if isinstance(found, Fault):
        return found
    # What has no labels is of another control, such as a choice for the whole text.
    regions = [one["value"] for one in found if any(key.endswith("labels") for key in one["value"])]
    return task_text(task, text), regions


# --- rows ---


def _rows(block: Block) -> Iterator[dict[str, Any]]:
    for cells in zip(*block.columns.values(), strict=True):
        yield dict(zip(block.columns, cells, strict=True))


def _scheme(block: Block, layout: Layout, config: DataConfig) -> TagScheme:
    """The scheme the settings name, or the one that the first block's tags are written in."""
    if config.tag_scheme != "auto":
        return config.tag_scheme
    found = (layout.cells(row) for row in _rows(block))
    labels = (cells[1] for cells in found if not isinstance(cells, Fault))
    return detect_scheme(_tag_names(cell, config) for cell in labels if _is_tags(cell))


def _converted(block: Block, layout: Layout, scheme: TagScheme, config: DataConfig, part: Part) -> Block:
    kept: dict[str, list[Any]] = {name: [] for name in wanted_columns(config, part)}
    lines, broken = [], list(block.broken)
    for row, line in zip(_rows(block), block.lines, strict=True):
        cells = layout.cells(row)
        found = cells if isinstance(cells, Fault) else _tagged(*cells, scheme, config)
        if isinstance(found, Fault):
            # A file of columns has a line for each word, so the very line can be named.
            word = int(found.details.get("word", 0)) if "word_line" in block.columns else 0
            broken.append((found, line + word))
            continue
        both = {config.text_column: found[0], config.label_column: found[1]}
        for name, column in kept.items():
            column.append(both[name] if name in both else row.get(name))
        lines.append(line)
    return Block(kept, lines, broken, block.done)


def _tagged(text: Any, label: Any, scheme: TagScheme, config: DataConfig) -> tuple[Any, list[Span]] | Fault:
    """The text of a row and its spans in order, or why they do not fit."""
    if isinstance(text, (list, tuple)):
        return _words_and_tags(text, label, scheme, config)
    if label is None:
        return Fault("SFT217", {"column": config.label_column})
    if not isinstance(text, str):
        return text, []  # the reading of texts tells what is wrong with it
    if not isinstance(label, (list, tuple)):
        found = shown(label)
        expected = 'a list of entities, such as [[0, 5, "PER"]], or words with a tag each'
        return Fault("SFT219", {"column": config.label_column, "found": found, "expected": expected, "hint": ""})
    names = config.label_names or {}
    spans = [_span(one) for one in label]
    return _checked_spans(text, [span and (*span[:2], names.get(span[2], span[2])) for span in spans], label)


def shown(value: Any) -> str:
    """A cell as messages show it."""
    words = json.dumps(value, ensure_ascii=False, default=str)
    return words if len(words) <= 40 else words[:39] + "…"


# --- words with tags ---


def _is_tags(cell: Any) -> bool:
    return isinstance(cell, (list, tuple)) and bool(cell) and all(isinstance(tag, (str, int)) for tag in cell)


def _tag_names(cell: Sequence[Any], config: DataConfig) -> list[str]:
    """The tags of a row, by their names in data.label_names where they have one: many data sets have numbers."""
    names = config.label_names or {}
    return [names.get(str(tag), str(tag)) for tag in cell]


def _words_and_tags(
    words: Sequence[Any], label: Any, scheme: TagScheme, config: DataConfig
) -> tuple[str, list[Span]] | Fault:
    if not isinstance(label, (list, tuple)) or len(label) != len(words):
        count = str(len(label)) if isinstance(label, (list, tuple)) else "no"
        return Fault("SFT251", {"words": str(len(words)), "tags": count})
    if wrong := [word for word in words if not isinstance(word, str)]:
        return Fault("SFT252", {"problem": f"{shown(wrong[0])} is no word"})
    if wrong := [tag for tag in label if not isinstance(tag, (str, int))]:
        return Fault("SFT252", {"problem": f"{shown(wrong[0])} is no tag"})
    tags = _tag_names(label, config)
    try:
        spans = word_spans(tags, scheme)
    except TagError as error:
        word = f"word {error.word + 1}, {shown(words[error.word])}"
        details = {"problem": error.problem, "scheme": _SCHEME_NAMES.get(scheme, scheme), "at": word}
        return Fault("SFT250", {**details, "word": str(error.word)})
    text, starts = joined_words(words)
    # A word of nothing but spaces, as some corpora have them, marks nothing.
    found = [(starts[first], starts[end - 1] + len(words[end - 1]), name) for first, end, name in spans]
    return text, [span for span in found if text[span[0] : span[1]].strip()]


# --- spans of characters ---


def _label_of(region: Mapping[str, Any]) -> str | None:
    """The label of an entity that is an object: `label`, or the first of Label Studio's `labels`."""
    for key in ("label", "labels", "type", "entity"):
        value = region.get(key)
        if isinstance(value, (list, tuple)) and len(value) == 1:
            value = value[0]
        if isinstance(value, str):
            return value.strip() or None
    return None


def _span(entity: Any) -> Span | None:
    """An entity as tools write it: [start, end, label], or an object with start and end, or doccano's offsets."""
    if isinstance(entity, dict):
        start = entity.get("start", entity.get("start_offset"))
        end = entity.get("end", entity.get("end_offset"))
        parts: Sequence[Any] = (start, end, _label_of(entity))
    elif isinstance(entity, (list, tuple)) and len(entity) == 3:
        parts = (entity[0], entity[1], str(entity[2]).strip())
    else:
        return None
    start, end, label = parts
    if type(start) is not int or type(end) is not int or not label:
        return None
    return start, end, label


def _checked_spans(text: str, spans: Sequence[Span | None], cells: Sequence[Any]) -> tuple[str, list[Span]] | Fault:
    """The spans in order, without outer spaces, if each lies in the text and no two overlap."""
    found: list[Span] = []
    for span, cell in zip(spans, cells, strict=True):
        if span is None:
            return Fault("SFT252", {"problem": f"{shown(cell)} is no entity with start, end and label"})
        start, end, label = span
        if not 0 <= start < end <= len(text):
            problem = f"{label} from {start} to {end} is outside of its {len(text)} characters"
            return Fault("SFT253", {"problem": problem})
        inside = text[start:end]
        start, end = start + len(inside) - len(inside.lstrip()), end - (len(inside) - len(inside.rstrip()))
        if start >= end:
            return Fault("SFT253", {"problem": f"{label} from {span[0]} to {span[1]} holds nothing but spaces"})
        found.append((start, end, label))
    found = sorted(dict.fromkeys(found))
    for first, second in zip(found, islice(found, 1, None), strict=False):
        if second[0] < first[1]:
            both = f"{first[2]} from {first[0]} to {first[1]} and {second[2]} from {second[0]} to {second[1]}"
            return Fault("SFT254", {"problem": both})
    return text, found
