"""Marked-up texts of many formats to one form: a text, and the spans of characters that are entities.

Rows are read by the readers of their file format; here the cells of a row, whatever tool wrote them, become
`(start, end, label)`, with offsets that index the text as a Python string does. The keys of the first rows show what
the rows look like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sftkeras.config import DataConfig, TagScheme
from sftkeras.data.checks.findings import Fault
from sftkeras.data.formats.blocks import Block
from sftkeras.data.formats.cells import is_missing, shown, structured
from sftkeras.data.formats.label_studio import TASK, is_table, marks, results_key, task_text
from sftkeras.data.formats.offsets import Counting, Quote, counted_blocks
from sftkeras.data.formats.prodigy import ANSWER, answer_column, is_prodigy, not_accepted
from sftkeras.data.formats.read import column_names, read_blocks, wanted_columns
from sftkeras.data.formats.read_conll import conll_blocks
from sftkeras.data.formats.sources import Part, Source
from sftkeras.data.labels.spans.entities import Span, have_words, quotes_of, read_entities, spans_of
from sftkeras.data.labels.spans.tags import detect_scheme
from sftkeras.data.labels.spans.words import is_tags, read_words, tag_names

# Where common tools put what the settings call text and label, looked for in this order.
_WORD_KEYS = ("tokens", "words")
_TEXT_KEYS = (*_WORD_KEYS, "sentence")
_LABEL_KEYS = ("labels", "entities", "spans", "tags", "ner_tags", "pos_tags", "ents", "annotations")

# Rows of Prodigy have one of these; where nothing was marked they have no `spans`.
_PRODIGY_SPANS = "spans"


@dataclass(frozen=True)
class EntityLayout:
    """Columns in which the rows of a file keep text and entities.

    Attributes:
        columns: the columns to read, each with the setting that names it.
        label: the one of the entities.
        cells: takes a row to the cell of its text and that of its entities, or to a fault.
    """

    columns: dict[str, str]
    label: str
    cells: Callable[[dict[str, Any]], tuple[Any, Any] | Fault]


def tagged_blocks(source: Source, layout: EntityLayout, config: DataConfig) -> Iterator[Block]:
    """Yields the rows of a source with the text in column `config.text_column` and a list of spans in
    `config.label_column`.

    Rows that cannot be brought to that form are in `broken`, as faults SFT215, SFT217, SFT219, SFT250 to SFT255 and
    SFT266 to SFT268. Raises as `read_blocks`.
    """

    def again() -> Iterator[Block]:
        return marked_up_blocks(source, layout, config)

    def quotes(block: Block) -> Iterator[Quote]:
        return _quotes(block, layout, config)

    scheme = config.tag_scheme
    if scheme == "auto":
        scheme = detect_scheme(_tags(block, layout, config) for block in again())
    for block, counting in counted_blocks(again(), again, quotes):
        yield _converted(block, layout, scheme, counting, config, source.part)


def marked_up_blocks(source: Source, layout: EntityLayout, config: DataConfig) -> Iterator[Block]:
    """Yields the rows of a source as they are; raises as `read_blocks`."""
    read = conll_blocks if source.format in ("conll", "text") else read_blocks
    return read(source, layout.columns, config)


# --- layouts ---


def find_layout(source: Source, config: DataConfig) -> EntityLayout:
    """Finds the columns of text and entities by the keys of the first rows."""
    known = set(column_names(source, config) or ())
    if (results := results_key(known)) and config.label in (None, results):
        columns = {TASK: "--data.text", results: "--data.label"}
        return EntityLayout(columns, results, lambda row: _label_studio(row[TASK], row[results], config.text))
    text, label = config.text_column, config.label_column
    others = wanted_columns(config, source.part)
    others = {column: flag for column, flag in others.items() if column not in (text, label)}
    if config.text is None and known and text not in known:
        text = next((key for key in _TEXT_KEYS if key in known), text)
    if is_prodigy(known):
        return _prodigy(known, text, config.label_column if config.label else _PRODIGY_SPANS, others)
    if config.label is None and known and label not in known:
        label = next((key for key in _LABEL_KEYS if key in known), label)
    # Where rows have a text and its words, tags are those of the words.
    words = text if config.text else next((key for key in _WORD_KEYS if key in known), text)
    columns = {text: "--data.text", words: "--data.text", label: "--data.label"} | others
    return EntityLayout(columns, label, lambda row: _cells(row, text, words, label, may_lack=is_table(known)))


def _cells(row: dict[str, Any], text: str, words: str, label: str, *, may_lack: bool) -> tuple[Any, Any] | Fault:
    """The cells of text and label; tables have lists as text. Without a label there are no entities if it may lack."""
    found = structured(row[label])
    if is_missing(found):
        return (row[text], []) if may_lack else Fault("SFT217", {"column": label})
    return structured(row[words]) if is_tags(found) else row[text], found


def _prodigy(known: set[str], text: str, label: str, others: dict[str, str]) -> EntityLayout:
    """Rows of Prodigy: what was rejected or ignored is left out, and what has no spans has no entities."""
    answer = answer_column(known)

    def cells(row: dict[str, Any]) -> tuple[Any, Any] | Fault:
        if fault := not_accepted(row.get(ANSWER)) if answer else None:
            return fault
        return _cells(row, text, text, label, may_lack=True)

    return EntityLayout({text: "--data.text", label: "--data.label"} | answer | others, label, cells)


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


def _tags(block: Block, layout: EntityLayout, config: DataConfig) -> Iterator[Sequence[str]]:
    """The tags of the rows that have tags, by their names."""
    for row in _rows(block):
        cells = layout.cells(row)
        names = [] if isinstance(cells, Fault) or not is_tags(cells[1]) else tag_names(cells[1], config.label_names)
        if not isinstance(names, Fault):
            yield names


def _quotes(block: Block, layout: EntityLayout, config: DataConfig) -> Iterator[Quote]:
    """The texts that the rows give for the places of their entities, in texts that countings count differently."""
    for row in _rows(block):
        cells = layout.cells(row)
        if isinstance(cells, Fault):
            continue
        text, label = cells
        if isinstance(text, str) and not text.isascii() and isinstance(label, (list, tuple)) and have_words(label):
            entities = read_entities(label, config.label_names)
            yield from quotes_of(text, [] if isinstance(entities, Fault) else entities)


def _converted(
    block: Block, layout: EntityLayout, scheme: TagScheme, counting: Counting, config: DataConfig, part: Part
) -> Block:
    kept: dict[str, list[Any]] = {name: [] for name in wanted_columns(config, part)}
    result = Block(kept, [], list(block.broken), block.done)
    for row, line in zip(_rows(block), block.lines, strict=True):
        cells = layout.cells(row)
        found = cells if isinstance(cells, Fault) else _tagged(*cells, scheme, counting, layout, config)
        if isinstance(found, Fault):
            # A file of columns has a line for each word, so the very line can be named.
            words = row.get("word_lines")
            result.broken.append((found, words[int(found.details.get("word", 0))] if words else line))
            continue
        both = {config.text_column: found[0], config.label_column: found[1]}
        for name, column in kept.items():
            column.append(both[name] if name in both else row.get(name))
        result.lines.append(line)
        if counting != "characters" and found[1] and not found[0].isascii():
            result.odd.append((Fault("SFT265", {"counting": counting}), line))
    return result


def _tagged(
    text: Any, label: Any, scheme: TagScheme, counting: Counting, layout: EntityLayout, config: DataConfig
) -> tuple[Any, list[Span]] | Fault:
    """The text of a row and its spans in order, or why they do not fit."""
    if isinstance(text, (list, tuple)):
        return read_words(text, label, scheme, config.label_names)
    if not isinstance(text, str):
        return text, []  # the reading of texts reports what is wrong with it
    if not isinstance(label, (list, tuple)):
        expected = 'a list of entities, such as [[0, 5, "PER"]], or words with a tag each'
        return Fault("SFT219", {"column": layout.label, "found": shown(label), "expected": expected, "hint": ""})
    entities = read_entities(label, config.label_names)
    spans = entities if isinstance(entities, Fault) else spans_of(text, entities, counting)
    return spans if isinstance(spans, Fault) else (text, spans)
