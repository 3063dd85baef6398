"""Questions with their contexts and answers, of several formats, to one form: an answer is a span of its context.

Here the cells of a row become `(start, end, "answer")`, with offsets that index the context as a Python string does,
and it is checked that each answer stands where it is said to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from sftkeras.config import DataConfig
from sftkeras.data.checks.findings import Fault
from sftkeras.data.formats.blocks import Block, shortened
from sftkeras.data.formats.cells import cell_text, is_missing, shown, structured, whole_number
from sftkeras.data.formats.offsets import Counting, Quote, counted_blocks, in_characters, quoted
from sftkeras.data.formats.read import column_names, read_blocks, wanted_columns
from sftkeras.data.formats.read_squad import COLUMNS, is_squad, squad_blocks
from sftkeras.data.formats.sources import Source
from sftkeras.data.labels.spans.entities import Span

ANSWER = "answer"  # the one label

_ANSWERS = ("answers", "answer", "answer_text")  # the first that there is
_STARTS = ("start", "answer_start")
_IMPOSSIBLE = "is_impossible"  # in SQuAD 2, whether a question has no answer
_NOTHING = ("nan", "none", "null", "<na>")  # how tables may write an empty cell

_SHAPE = 'such as {"text": ["Paris"], "answer_start": [17]}'


@dataclass(frozen=True)
class AnswerLayout:
    """Columns in which the rows of a file keep questions and answers.

    Attributes:
        columns: the columns to read, each with the setting that names it.
        answers: the column of the answers, with their places or without.
        start: the column of the places, if they have one of their own.
        impossible: the column that says whether there is no answer, if there is one.
        squad: whether the file has the SQuAD format.
    """

    columns: dict[str, str]
    answers: str
    start: str | None
    impossible: str | None
    squad: bool


def answered_blocks(source: Source, layout: AnswerLayout, config: DataConfig) -> Iterator[Block]:
    """Yields the rows of a source with a question in column `config.text_column`, its context in `config.pair` and in
    `config.label_column` a list of spans of the context, which is empty if it has no answer.

    Rows that cannot be brought to that form are in `broken`, as faults SFT280 and SFT281. Raises as `read_blocks`.
    """
    again = partial(question_blocks, source, layout, config)
    for block, counting in counted_blocks(again(), again, partial(_quotes, layout=layout, config=config)):
        yield _converted(block, layout, counting, config, source)


def question_blocks(source: Source, layout: AnswerLayout, config: DataConfig) -> Iterator[Block]:
    """Yields the rows of a source as they are; raises as `read_blocks`."""
    return (squad_blocks if layout.squad else read_blocks)(source, layout.columns, config)


def find_answers(source: Source, config: DataConfig) -> AnswerLayout:
    """Finds the columns of answers by their names.

    What answers a question is in one column, or its text in one and its place in `start` or `answer_start`.
    """
    squad = is_squad(source, config)
    known = set(COLUMNS if squad else column_names(source, config) or ())
    usual = next((name for name in _ANSWERS if name in known), _ANSWERS[0])
    answers = config.label_column if config.label else usual
    start = next((name for name in _STARTS if name in known), None)
    impossible = _IMPOSSIBLE if _IMPOSSIBLE in known else None
    columns = wanted_columns(config, source.part, labelled=False) | {answers: "--data.label"}
    for column in filter(None, (start, impossible)):
        columns.setdefault(column, "which goes with --data.label")
    return AnswerLayout(columns, answers, start, impossible, squad)


def _rows(block: Block, layout: AnswerLayout) -> Iterator[tuple[dict[str, Any], list[tuple[Any, Any]] | Fault, bool]]:
    """Each row with its answers and their places, and whether it says that there are none."""
    for cells in zip(*block.columns.values(), strict=True):
        row = dict(zip(block.columns, cells, strict=True))
        pairs = _pairs(row[layout.answers], row[layout.start] if layout.start else None)
        yield row, pairs, layout.impossible is not None and _is_true(row[layout.impossible])


def _is_true(cell: Any) -> bool:
    return (cell_text(cell) or "").lower() in ("true", "1")


def _quotes(block: Block, layout: AnswerLayout, config: DataConfig) -> Iterator[Quote]:
    """Yield the answers that the rows give, and where they stand in the contexts."""
    for row, pairs, impossible in _rows(block, layout):
        context = row[str(config.pair)]
        if impossible or isinstance(pairs, Fault) or not isinstance(context, str) or context.isascii():
            continue
        for answer, start in pairs:
            place = whole_number(start)
            if isinstance(answer, str) and place is not None:
                yield Quote(context, place, None, answer)


def _converted(block: Block, layout: AnswerLayout, counting: Counting, config: DataConfig, source: Source) -> Block:
    kept: dict[str, list[Any]] = {name: [] for name in wanted_columns(config, source.part)}
    result = Block(kept, [], list(block.broken), block.done)
    for (row, pairs, impossible), line in zip(_rows(block, layout), block.lines, strict=True):
        context = row[str(config.pair)]
        spans: list[Span] | Fault = []
        if impossible and pairs:
            result.odd.append((Fault("SFT283"), line))
        elif isinstance(pairs, Fault):
            spans = pairs
        elif isinstance(context, str):  # what is wrong with any other is found when texts are read
            spans = spans_of_answers(pairs, context, counting)
        if isinstance(spans, Fault):
            result.broken.append((spans, line))
            continue
        for name, column in kept.items():
            column.append(spans if name == config.label_column else row.get(name))
        result.lines.append(line)
        if spans and counting != "characters" and not context.isascii():
            result.odd.append((Fault("SFT265", {"counting": counting}), line))
    return result


def _pairs(cell: Any, start: Any) -> list[tuple[Any, Any]] | Fault:
    """Text and beginning of each answer, as the data has them; none if there is no answer.

    An answer without a text is none: so tools write questions that have no answer, with 0 or -1 as its place.
    """
    # A cell that has its place beside it is a text, whatever it looks like.
    answers = cell if whole_number(start) is not None else structured(cell)
    pairs = _answers_of(answers, structured(start))
    if pairs is None:
        return Fault("SFT280", {"problem": f"{shown(answers)} is no answers with as many texts as places, {_SHAPE}"})
    return [(text, place) for text, place in pairs if not _is_nothing(text, place)]


def _answers_of(answers: Any, start: Any) -> list[tuple[Any, Any]] | None:
    if is_missing(answers):
        return []
    if isinstance(answers, str):
        return [(answers, start)]
    if isinstance(answers, dict):
        place = answers.get("answer_start", answers.get("start"))
        return _answers_of(answers["text"], place) if "text" in answers else None
    if not isinstance(answers, (list, tuple)):
        return None
    if answers and all(isinstance(one, dict) and "text" in one for one in answers):
        return [(one.get("text"), one.get("answer_start", one.get("start"))) for one in answers]
    starts = start if isinstance(start, (list, tuple)) else []
    if len(answers) != len(starts) or not all(isinstance(one, str) or is_missing(one) for one in answers):
        return None if answers else []
    return list(zip(answers, starts, strict=True))


def _is_nothing(text: Any, place: Any) -> bool:
    if text in ("", None) or text != text:
        return True
    return isinstance(text, str) and text.strip().lower() in _NOTHING and whole_number(place) is None


def spans_of_answers(pairs: list[tuple[Any, Any]], context: str, counting: Counting) -> list[Span] | Fault:
    """Returns the places of all answers, in their order, without outer spaces; or why they do not fit."""
    spans = []
    for answer, start in pairs:
        span = _span(answer, start, context, counting)
        if isinstance(span, Fault):
            return span
        spans.append(span)
    return list(dict.fromkeys(spans))


def _span(answer: Any, start: Any, context: str, counting: Counting) -> Span | Fault:
    if not isinstance(answer, str) or not answer.strip():
        return Fault("SFT280", {"problem": f"{shown(answer)} is no text of an answer"})
    place = whole_number(start)
    if place is None:
        problem = (
            f"{shown(start)} is no place of the answer {shown(answer)}. Where it begins is in a column answer_start"
        )
        return Fault("SFT280", {"problem": problem})
    found = quoted(Quote(context, place, None, answer), counting)
    if found is None:
        return _misplaced(answer, place, context, counting)
    begin = found[0] + len(answer) - len(answer.lstrip())
    return begin, begin + len(answer.strip()), ANSWER


def _misplaced(answer: str, start: int, context: str, counting: Counting) -> Fault:
    place = in_characters(context, start, counting)
    found = "" if place is None else context[place : place + len(answer)]
    count = context.count(answer)
    hint = " It is nowhere in it."
    if count == 1:
        hint = f" It stands at {context.index(answer)} alone: is that meant?"
    elif count:
        hint = f" It stands in {count} places, the first {context.index(answer)}."
    details = {"answer": f'"{shortened(answer)}"', "start": str(start), "found": f'"{shortened(found)}"', "hint": hint}
    return Fault("SFT281", details)
