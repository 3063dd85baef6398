"""Whole texts with labels, of several formats, to one form: a row has its texts in columns, and its labels in one.

What stands in that one cell is read by `cells`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from itertools import compress
from typing import Any

from sftkeras.config import DataConfig
from sftkeras.data.checks.findings import Fault
from sftkeras.data.formats.blocks import Block, check_columns, shortened
from sftkeras.data.formats.cells import zero_or_one
from sftkeras.data.formats.label_studio import TASK, marks, results_key, task_text
from sftkeras.data.formats.prodigy import ANSWER, WHOSE, answer_column, not_accepted
from sftkeras.data.formats.read import column_names, read_blocks, wanted_columns
from sftkeras.data.formats.sources import Source
from sftkeras.errors import SFTError

# Where common tools put what the settings call label: doccano, spaCy, Prodigy.
_LABEL_KEYS = ("labels", "cats", "accept", "annotations")
_FEWEST_COLUMNS = 2  # of zeros and ones that look like labels


def labelled_blocks(source: Source, columns: dict[str, str], config: DataConfig) -> Iterator[Block]:
    """Yields the rows of a source with texts in their columns and the cell of labels in `config.label_column`.

    Rows that cannot be brought to that form are in `broken`, as faults SFT217, SFT252 and SFT268.

    Args:
        columns: as `columns_of` gives them.

    Raises:
        SFTError: SFT247 for an export of Label Studio with several choices, SFT261 for one of marked parts of texts
            alone, and what `read_blocks` raises.
    """
    if results_key(columns):
        return _label_studio_blocks(source, columns, config)
    labels = labels_among(columns)
    blocks = read_blocks(source, columns, config)
    if WHOSE in columns.values():
        blocks = map(_accepted, blocks)
    return (_with_one_cell(block, labels, config) for block in blocks)


def columns_of(source: Source, config: DataConfig) -> dict[str, str]:
    """Returns the columns to read, each with the setting that names it.

    Raises:
        SFTError: SFT204 if there is none of labels, but several that look like labels, and what reading raises.
    """
    known = column_names(source, config) or []
    if (results := results_key(known)) and not set(config.label_columns) & {*known} - {results}:
        return {TASK: "--data.text", results: "--data.label"}
    wanted = wanted_columns(config, source.part)
    if config.label is None and config.label_column not in known:
        if usual := next((key for key in _LABEL_KEYS if key in known), None):
            wanted = {usual if setting == "--data.label" else column: setting for column, setting in wanted.items()}
        elif config.text_column in known:
            _propose_columns(source, known, config)
    return wanted | answer_column(known)


def labels_among(columns: dict[str, str]) -> list[str]:
    """Returns the columns of labels among those to read, as the file calls them."""
    return [column for column, setting in columns.items() if setting == "--data.label"]


def _propose_columns(source: Source, known: list[str], config: DataConfig) -> None:
    """Raises SFT204 where a file without a column of labels has several of zeros and ones, which may be meant."""
    others = [column for column in dict.fromkeys(known) if known.count(column) == 1]
    block = next(read_blocks(source, dict.fromkeys(others, ""), config), None)
    flags = [column for column, cells in block.columns.items() if _all_flags(cells)] if block else []
    if len(flags) >= _FEWEST_COLUMNS:
        raise SFTError(
            "SFT204",
            file=source.name,
            column=config.label_column,
            flag="--data.label",
            columns=", ".join(map(shortened, known[:30])),
            suggestion=f" Columns of zeros and ones are named together: --data.label {shlex.quote(','.join(flags))}",
        )


def _all_flags(cells: list[Any]) -> bool:
    return bool(cells) and None not in map(zero_or_one, cells)


def _with_one_cell(block: Block, labels: list[str], config: DataConfig) -> Block:
    """Puts what labels a row into one cell: of several columns, their values by their names."""
    if len(labels) == 1:
        cells = block.columns[labels[0]]
    else:
        values = zip(*(block.columns[name] for name in labels), strict=True)
        cells = [dict(zip(labels, row, strict=True)) for row in values]
    columns = block.columns | {config.label_column: cells}  # data.where may ask for the others
    return Block(columns, block.lines, block.broken, block.done, block.odd)


def _accepted(block: Block) -> Block:
    """Leaves out what the annotator of Prodigy's rows did not accept."""
    faults = [not_accepted(answer) for answer in block.columns[ANSWER]]
    kept = [fault is None for fault in faults]
    broken = [(fault, line) for fault, line in zip(faults, block.lines, strict=True) if fault]
    columns = {name: list(compress(cells, kept)) for name, cells in block.columns.items()}
    return Block(columns, list(compress(block.lines, kept)), block.broken + broken, block.done, block.odd)


# --- Label Studio's JSON export ---


def _label_studio_blocks(source: Source, columns: dict[str, str], config: DataConfig) -> Iterator[Block]:
    """The rows of an export, whose further columns are those of the task that people saw."""
    *_, results = columns
    control = None if config.label in (None, results) else config.label_column
    for number, block in enumerate(read_blocks(source, columns, config)):
        found = [marks(*cells) for cells in zip(block.columns[TASK], block.columns[results], strict=True)]
        if number == 0:
            _check_controls(source, found, control)
        kept: dict[str, list[Any]] = {name: [] for name in wanted_columns(config, source.part, labelled=False)}
        kept[config.label_column] = []
        lines, broken = [], list(block.broken)
        for task, marked, line in zip(block.columns[TASK], found, block.lines, strict=True):
            if isinstance(marked, Fault):
                broken.append((marked, line))
                continue
            for name, cells in kept.items():
                cells.append(task.get(name))
            kept[config.text_column][-1] = task_text(task, config.text)
            kept[config.label_column][-1] = [label for _, labels in _choices(marked, control) for label in labels]
            lines.append(line)
        yield Block(kept, lines, broken, block.done, block.odd)


def _check_controls(source: Source, found: list[list[dict[str, Any]] | Fault], control: str | None) -> None:
    """Makes sure that there is one control whose choices are the labels."""
    marked = [one for one in found if not isinstance(one, Fault)]
    controls = list(dict.fromkeys(name for one in marked for name, _ in _choices(one, None)))
    if not controls and any(_marks_parts(one) for one in marked):
        raise SFTError("SFT261", file=source.name)
    if control is not None and controls:
        check_columns(source, controls, {control: "--data.label"})
    elif len(controls) > 1:
        raise SFTError("SFT247", file=source.name, controls=", ".join(controls), first=controls[0])


def _choices(marked: list[dict[str, Any]], control: str | None) -> list[tuple[str, list[Any]]]:
    """Return the choices made for the whole text, each with the name of its control."""
    return [
        (str(one.get("from_name")), choices)
        for one in marked
        if isinstance(choices := one["value"].get("choices"), list)
        and "start" not in one["value"]  # which is a choice for a region of the text
        and control in (None, one.get("from_name"))
    ]


def _marks_parts(marked: list[dict[str, Any]]) -> bool:
    """Whether people marked parts of the text, with labels."""
    return any(key.endswith("labels") for one in marked for key in one["value"])
