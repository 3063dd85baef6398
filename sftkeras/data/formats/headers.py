"""Names of the columns of tables: from the first row, or from data.columns where the file has no such row."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from sftkeras.config import DataConfig
from sftkeras.data.checks.findings import Fault, place
from sftkeras.data.formats.blocks import check_columns, shortened
from sftkeras.data.formats.sources import Source
from sftkeras.errors import SFTError

FOLLOWING = 20  # rows that are looked at below the first
_WORDS = 5  # hardly a name of a column has so many
_LETTERS = 12  # or so many letters of a language that does not divide words

_CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def column_names_of(first: Sequence[str], line: int, source: Source, config: DataConfig) -> tuple[list[str], bool]:
    """Returns the names of a table's columns, and whether its first row is one of data.

    A first row that has the name of the text column, or all names of data.columns, is a header all the same.

    Args:
        first: the cells of the first row.
        line: where it is.

    Raises:
        SFTError: SFT102 if data.columns names more or fewer columns than the row has cells.
    """
    names = [name.strip() for name in first]
    if not config.columns or config.text_column in names or names == config.columns:
        return names, False
    if len(config.columns) != len(names):
        where, number = place(source.name, line), len(config.columns)
        problem = f"the number of names, {number}, is not that of the cells of {where}, {len(names)}."
        raise SFTError("SFT102", flag="--data.columns", problem=problem)
    return list(config.columns), True


def check_header(
    source: Source,
    header: Sequence[str],
    following: Sequence[Sequence[str]],
    wanted: Mapping[str, str],
    line: int,
    redivided: tuple[str, Sequence[Sequence[str]]] | None = None,
) -> None:
    """Checks that a header has the wanted columns.

    Args:
        following: the first rows below it.
        line: where it is.
        redivided: the flag of a delimiter that fits better, and the first rows as it divides them.

    Raises:
        SFTError: SFT289 if it has not and looks like a row of data, otherwise what `check_columns` raises.
    """
    flag, rows = redivided or ("", [header, *following])
    if all(column in header for column in wanted) or not _is_data(rows[0], rows[1:]):
        check_columns(source, header, wanted)
        return
    row = ", ".join(f'"{shortened(cell)}"' for cell in header[:8]) + (", …" if len(header) > 8 else "")
    columns = shlex.quote(",".join(_likely_names(rows, wanted)))
    raise SFTError("SFT289", place=place(source.name, line), row=row, columns=columns, also=flag)


def columns_to_read(header: Sequence[str], wanted: Mapping[str, str], whole: bool) -> dict[str, int]:
    """Returns the places of the columns to read, by name; one without a name of its own is called column4 or so.

    Args:
        whole: read all columns, not the wanted ones alone.
    """
    places = {name: header.index(name) for name in wanted}
    if whole:
        for number, name in enumerate(header):
            if number not in places.values():
                places[name if name and name not in places else f"column{number + 1}"] = number
    return places


def _is_data(header: Sequence[str], following: Sequence[Sequence[str]]) -> bool:
    """Whether a first row holds what the rows below it hold: the same label, another number, another sentence."""
    for number, name in enumerate(header):
        below = [row[number].strip() for row in following if len(row) > number]
        if not name or not below:
            continue
        if name in below or _is_sentence(name):
            return True
        # Tables without names get numbers for names: those are no data.
        numbers = _NUMBER.fullmatch(name) and all(map(_NUMBER.fullmatch, below))
        if numbers and name not in (str(number), str(number + 1)):
            return True
    return False


def _is_sentence(cell: str) -> bool:
    # A question may well be a column: forms name their columns so.
    return (len(cell.split()) >= _WORDS and not cell.endswith("?")) or len(_CJK.findall(cell)) >= _LETTERS


def _likely_names(rows: Sequence[Sequence[str]], wanted: Mapping[str, str]) -> list[str]:
    """Names for columns without any: texts are the longest, labels repeat most."""
    width = len(rows[0])
    columns = [[row[number] for row in rows if len(row) == width] for number in range(width)]
    names = [f"column{number}" for number in range(1, width + 1)]
    free = sorted(range(width), key=lambda number: -sum(map(len, columns[number])))
    texts = [name for name, flag in wanted.items() if flag.rpartition(".")[2].strip("-") in ("text", "pair")]
    for name, number in zip(texts, sorted(free[: len(texts)]), strict=False):
        names[number] = name
    others = sorted(free[len(texts) :], key=lambda number: len(set(columns[number])))
    for name, number in zip((name for name in wanted if name not in texts), others, strict=False):
        names[number] = name
    return names


def whole_rows(
    rows: list[list[str]], lines: list[int], width: int, hint: str = ""
) -> tuple[list[list[str]], list[int], list[tuple[Fault, int]]]:
    """Parts the rows that have one cell for each column from those that do not; empty lines are no rows.

    Args:
        hint: what may be the cause, for the message.
    """
    if set(map(len, rows)) == {width}:
        return rows, lines, []
    if width == 1:  # here an empty line is an empty cell
        rows = [row or [""] for row in rows]
    whole, whole_lines, broken = [], [], []
    for row, line in zip(rows, lines, strict=True):
        if len(row) == width:
            whole.append(row)
            whole_lines.append(line)
        elif any(map(str.strip, row)):
            broken.append((Fault("SFT206", {"found": str(len(row)), "expected": str(width), "hint": hint}), line))
    return whole, whole_lines, broken
