"""Label Studio's JSON export: a task, and what people marked in it. What a mark means is decided by its readers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sftkeras.config import DataConfig
from sftkeras.data.checks.findings import Fault
from sftkeras.data.formats.blocks import Block
from sftkeras.data.formats.read import read_blocks
from sftkeras.data.formats.sources import Source

TASK = "data"  # the key of what was shown to people; its keys are the columns of the file they began with
_RESULTS = ("annotations", "completions")  # what they answered; older versions had the other name


def results_key(names: Collection[str]) -> str | None:
    """Returns the key under which the rows of an export have people's answers, None if these are not its rows."""
    return next((key for key in _RESULTS if key in names), None) if TASK in names else None


def is_table(names: Collection[str]) -> bool:
    """Returns whether these are the columns of a JSON-MIN, CSV or TSV export, where a mark that is not there lacks."""
    return "annotation_id" in names or {"annotator", "lead_time"} <= set(names)


def marks(task: Any, results: Any) -> list[dict[str, Any]] | Fault:
    """Returns what was marked in a task, by its first annotation that was not cancelled.

    Returns:
        The results of that annotation, such as regions and choices, each with its `value`; or a fault: SFT252 for what
        is no task with annotations, SFT217 if no annotation is left.
    """
    if not isinstance(task, dict) or not isinstance(results, list):
        return Fault("SFT252", {"problem": "data is no object, or annotations is no list"})
    done = [one for one in results if isinstance(one, dict) and not one.get("was_cancelled")]
    if not done:
        return Fault("SFT217", {"column": "annotations"})
    found = done[0].get("result", [])
    if not isinstance(found, list):
        return Fault("SFT252", {"problem": "the result of an annotation is no list"})
    return [one for one in found if isinstance(one, dict) and isinstance(one.get("value"), dict)]


def task_text(task: Mapping[str, Any], column: str | None) -> Any:
    """Returns the text of a task: of the column that is named; or, if none is, `text` or the only text there is."""
    if column is not None:
        return task.get(column)
    texts = [value for value in task.values() if isinstance(value, str)]
    return task.get("text", texts[0] if len(texts) == 1 else None)


def task_blocks(source: Source, config: DataConfig) -> Iterator[Block]:
    """Yields the tasks of a JSON export as rows, whatever people marked in them: each key of a task is a column."""
    for block in read_blocks(source, {TASK: "--text"}, config):
        tasks = [task if isinstance(task, dict) else {} for task in block.columns[TASK]]
        names = dict.fromkeys(name for task in tasks for name in task) | ({config.pair: None} if config.pair else {})
        columns = {name: [task.get(name) for task in tasks] for name in names}
        columns[config.text_column] = [task_text(task, config.text) for task in tasks]
        yield Block(columns, block.lines, block.broken, block.done, block.odd)
