"""Questions with their contexts and answers, of several formats, to one form: an answer is a span of its context.

Here the cells of a row become `(start, end, "answer")`, with offsets that index the context as a Python string does,
and it is checked that each answer stands where it is said to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sftkeras.config import DataConfig
from sftkeras.data.blocks import Block, shortened
from sftkeras.data.findings import Fault
from sftkeras.data.read import column_names, read_blocks, wanted_columns
from sftkeras.data.read_squad import is_squad, squad_blocks
from sftkeras.data.sources import Source
from sftkeras.data.span_labels import ANSWER
from sftkeras.data.tagged import Span, shown

_ANSWERS, _ANSWER = "answers", "answer"
_STARTS = ("start", "answer_start")

_SHAPE = 'such as {"text": ["Paris"], "answer_start": [17]}'


def answered_blocks(source: Source, config: DataConfig) -> Iterator[Block]:
    """Yields the rows of a source with a question in column `config.text_column`, its context in `config.pair` and in
    `config.label_column` a list of spans of the context, which is empty if it has no answer.

    Rows that cannot be brought to that form are in `broken`, as faults SFT280 and SFT281. Raises as `read_blocks`.
    """
    columns = columns_of(source, config)
    read = squad_blocks if is_squad(source, config) else read_blocks
    start = next((column for column, flag in columns.items() if flag == _flag_of_starts(config)), None)
    label = next(column for column, flag in columns.items() if flag == "--data.label")
    for block in read(source, columns, config):
        yield _converted(block, label, start, config, source)


def columns_of(source: Source, config: DataConfig) -> dict[str, str]:
    """The columns to read, each with the setting that names it.

    What answers a question is in one column, or its text in `answer` and its place in `start` or `answer_start`.
    """
    wanted = wanted_columns(config, source.part, labelled=False)
    if is_squad(source, config):
        return wanted | {config.label or _ANSWERS: "--data.label"}
    names = [_ANSWER, _STARTS[0]] if source.format in ("csv", "tsv") else column_names(source, config)
    known, label = set(names or ()), config.label or _ANSWERS
    if config.label is None and label not in known and _ANSWER in known:
        label = _ANSWER
    if label != _ANSWERS and not known.isdisjoint(_STARTS):
        start = next((name for name in _STARTS if name in known), _STARTS[0])
        return wanted | {label: "--data.label", start: _flag_of_starts(config)}
    return wanted | {label: "--data.label"}


def _flag_of_starts(config: DataConfig) -> str:
    """How messages call the column of places, which no setting names."""
    return "where the answer of --data.label begins"


def _converted(block: Block, label: str, start: str | None, config: DataConfig, source: Source) -> Block:
    kept: dict[str, list[Any]] = {name: [] for name in wanted_columns(config, source.part)}
    lines, broken = [], list(block.broken)
    for cells, line in zip(zip(*block.columns.values(), strict=True), block.lines, strict=True):
        row = dict(zip(block.columns, cells, strict=True))
        spans = _spans(row[label], row[start] if start else None, row[str(config.pair)])
        if isinstance(spans, Fault):
            broken.append((spans, line))
            continue
        for name, column in kept.items():
            column.append(spans if name == config.label_column else row.get(name))
        lines.append(line)
    return Block(kept, lines, broken, block.done)


def _spans(answers: Any, start: Any, context: Any) -> list[Span] | Fault:
    """The places of all answers, in their order, or why they do not fit."""
    pairs = _pairs(answers, start)
    if isinstance(pairs, Fault) or not isinstance(context, str):  # the reading of texts tells what is wrong with it
        return pairs if isinstance(pairs, Fault) else []
    spans = []
    for answer, place in pairs:
        span = _span(answer, place, context)
        if isinstance(span, Fault):
            return span
        spans.append(span)
    return list(dict.fromkeys(spans))


def _pairs(answers: Any, start: Any) -> list[tuple[Any, Any]] | Fault:
    """Text and beginning of each answer, as the data has them; none if there is no answer."""
    if answers is None or answers == "":
        return []
    if isinstance(answers, str):
        return [(answers, start)]
    if isinstance(answers, dict):
        texts, starts = answers.get("text"), answers.get("answer_start")
        if not isinstance(texts, (list, tuple)) or not isinstance(starts, (list, tuple)) or len(texts) != len(starts):
            problem = f"{shown(answers)} is no answers with as many texts as places, {_SHAPE}"
            return Fault("SFT280", {"problem": problem})
        return list(zip(texts, starts, strict=True))
    if isinstance(answers, (list, tuple)) and all(isinstance(one, dict) for one in answers):
        return [(one.get("text"), one.get("answer_start", one.get("start"))) for one in answers]
    return Fault("SFT280", {"problem": f"{shown(answers)} is no answers, {_SHAPE}"})


def _span(answer: Any, start: Any, context: str) -> Span | Fault:
    """The place of one answer, without outer spaces."""
    if isinstance(start, str) and start.strip().isdecimal():  # as .csv files have it
        start = int(start)
    if not isinstance(answer, str) or not answer.strip():
        return Fault("SFT280", {"problem": f"{shown(answer)} is no text of an answer"})
    if type(start) is not int:
        return Fault("SFT280", {"problem": f"{shown(start)} is no place of the answer {shown(answer)}"})
    if start < 0 or context[start : start + len(answer)] != answer:
        return _misplaced(answer, start, context)
    start += len(answer) - len(answer.lstrip())
    return start, start + len(answer.strip()), ANSWER


def _misplaced(answer: str, start: int, context: str) -> Fault:
    found = context[max(start, 0) : max(start, 0) + len(answer)]
    count = context.count(answer)
    hint = " It is nowhere in it."
    if count == 1:
        hint = f" It stands at {context.index(answer)} alone: is that meant?"
    elif count:
        hint = f" It stands in {count} places, the first {context.index(answer)}."
    details = {"answer": f'"{shortened(answer)}"', "start": str(start), "found": f'"{shortened(found)}"', "hint": hint}
    return Fault("SFT281", details)
