"""A block of rows, as every reader yields it, and the check that a file has the wanted columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sftkeras.conversations import Conversation
from sftkeras.data.checks.findings import Fault
from sftkeras.data.formats.sources import Source
from sftkeras.errors import SFTError, did_you_mean

BLOCK_ROWS = 4096
BLOCK_BYTES = 8 << 20  # a block of long texts ends early, so that memory stays flat
LONGEST_CELL = 64 << 20  # characters; a longer one has a quote that was never closed


@dataclass
class Block:
    """Consecutive rows of a file.

    Attributes:
        columns: the cells of each wanted column, as the format has them (strings, numbers, lists, None).
        lines: where each row begins, 1-based physical lines (rows, for Parquet and the hub).
        broken: rows that could not be divided into cells, with their lines; they are not in `columns`.
        odd: warnings about single rows, with their lines.
        done: share of the file read so far.
    """

    columns: dict[str, list[Any]]
    lines: list[int]
    broken: list[tuple[Fault, int]] = field(default_factory=list)
    done: float = 0.0
    odd: list[tuple[Fault, int]] = field(default_factory=list)


@dataclass
class AskedBlock(Block):
    """Rows with all columns of the file, and what each of them asks a model.

    Attributes:
        asked: for each row a conversation, which the model's next answer follows.
    """

    asked: list[Conversation] = field(default_factory=list)


def check_columns(source: Source, header: Iterable[str], wanted: Mapping[str, str]) -> None:
    """Raises SFT204 for the first wanted column that the header lacks, SFT235 for one that it has twice."""
    header = list(header)
    for column, flag in wanted.items():
        if column not in header:
            columns = ", ".join(shortened(name) for name in header[:30]) + (", …" if len(header) > 30 else "")
            suggestion = did_you_mean(column, header) or did_you_mean(column.lower(), map(str.lower, header))
            raise SFTError("SFT204", file=source.name, column=column, flag=flag, columns=columns, suggestion=suggestion)
        if header.count(column) > 1:
            raise SFTError("SFT235", file=source.name, column=column)


def shortened(text: str, length: int = 40) -> str:
    """Returns the text, or its beginning with an ellipsis."""
    return text if len(text) <= length else text[: length - 1] + "…"
