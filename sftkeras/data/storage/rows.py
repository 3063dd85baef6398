"""From a block of cells to rows fit for learning: texts, labels, hashes, and the faults of the rows left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sftkeras.config import DataConfig, other_writing
from sftkeras.data.checks.findings import Fault, FaultTally
from sftkeras.data.formats.blocks import Block
from sftkeras.data.formats.cells import cell_text
from sftkeras.data.labels.reader import LabelReader
from sftkeras.data.storage.weights import read_weights

LONG_TEXT = 20_000  # characters, some 4,000 words: far beyond what any encoder here takes

# What UTF-8 looks like when read as cp1252 or latin-1 (an accented letter, a quotation mark, a no-break space), and
# the character that stands for what could not be decoded.
_WRONG_ENCODING = "[ÃÂ][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]|â€|ï»¿|\ufffd"


@dataclass(frozen=True)
class Rows:
    """Rows of one block that can be learned from, in file order.

    Attributes:
        texts, pairs: the texts as the file has them.
        labels: [n], what the label reader gives.
        lines: [n] uint32.
        hashes: [n] uint64, equal for equal texts (and pairs), whatever their case and outer spaces.
        weights: [n] float32, 1 where the data has none.
    """

    texts: pa.Array
    pairs: pa.Array | None
    labels: np.ndarray
    lines: np.ndarray
    hashes: np.ndarray
    weights: np.ndarray


def sift(block: Block, config: DataConfig, labels: LabelReader, tally: FaultTally) -> Rows:
    """Keeps the good rows of a block and counts the faults of the others."""
    for fault, line in [*block.broken, *block.odd]:
        tally.add(fault, line)
    columns, lines = _where(block, config)
    faults: dict[int, Fault] = {}
    texts, comparable = _texts(columns[config.text_column], config.text_column, faults)
    pairs = comparable_pairs = None
    if config.pair:
        pairs, comparable_pairs = _texts(columns[config.pair], config.pair, faults)
    weights = np.ones(len(lines), np.float32)
    if config.weight in columns:
        weights, weight_faults = read_weights(columns[config.weight], config.weight)
        faults = weight_faults | faults
    # Labels are learned from rows that are otherwise whole: another row's label may be found nowhere else.
    good = _without(faults, len(lines))
    cells = columns.get(config.label_column, [None] * len(lines))  # where there are no labels, their reader wants none
    values, label_faults = labels.read([cells[row] for row in good] if faults else cells)
    values = values[_without(label_faults, len(values))]
    faults |= {int(good[at]): fault for at, fault in label_faults.items()}
    hashes = text_hashes(comparable, comparable_pairs)
    if faults:
        for row in sorted(faults):
            tally.add(faults[row], lines[row])
        good = _without(faults, len(lines))
        texts, pairs = texts.take(pa.array(good)), None if pairs is None else pairs.take(pa.array(good))
        lines, hashes, weights = [lines[row] for row in good], hashes[good], weights[good]
    for column in (texts, pairs):
        if column is not None:
            _count_oddities(column, lines, tally, short=labels.texts_are_short)
    return Rows(texts, pairs, values, np.array(lines, np.uint32), hashes, weights)


def _without(faults: Mapping[int, Fault], rows: int) -> np.ndarray:
    """Returns the numbers of the rows that have no fault, ascending."""
    return np.delete(np.arange(rows), list(faults)) if faults else np.arange(rows)


def _where(block: Block, config: DataConfig) -> tuple[dict[str, list[Any]], list[int]]:
    """Keeps the rows whose cells are those that data.where asks for."""
    if not config.where:
        return block.columns, block.lines
    kept = range(len(block.lines))
    for column, value in config.where.items():
        cells, fitting = block.columns[column], (value, other_writing(value))
        kept = [row for row in kept if (cell_text(cells[row]) or "") in fitting]  # type: ignore[assignment]
    return (
        {name: [cells[row] for row in kept] for name, cells in block.columns.items()},
        [block.lines[row] for row in kept],
    )


def _texts(cells: Sequence[Any], column: str, faults: dict[int, Fault]) -> tuple[pa.Array, pa.Array]:
    """Returns the cells as strings, and again as they are compared.

    Adds to `faults`, by row, what is empty (SFT216), cannot be decoded (SFT207), has a NUL byte (SFT208) or is no text
    at all (SFT219).
    """
    try:
        texts = pa.array(cells, pa.large_string())
    except (pa.ArrowException, UnicodeEncodeError, TypeError):
        texts = pa.array([_text(cell, row, column, faults) for row, cell in enumerate(cells)], pa.large_string())
    if texts.null_count:
        texts = texts.fill_null("")
    comparable = pc.utf8_lower(pc.utf8_trim_whitespace(texts))
    for row in _rows_where(pc.equal(pc.binary_length(comparable), 0)):
        faults.setdefault(row, Fault("SFT216", {"column": column}))
    for row in _rows_where(pc.match_substring(texts, "\0")):
        faults.setdefault(row, Fault("SFT208", {"column": column}))
    return texts, comparable


def _text(cell: Any, row: int, column: str, faults: dict[int, Fault]) -> str:
    """Returns a cell as text; what cannot be one is noted and becomes empty."""
    if isinstance(cell, bytes):
        cell = cell.decode("utf-8", "surrogateescape")
    if isinstance(cell, (list, tuple, dict)):
        found = "an object" if isinstance(cell, dict) else "a list"
        faults[row] = Fault("SFT219", {"column": column, "found": found, "expected": "a text", "hint": ""})
        return ""
    if not isinstance(cell, str):
        return cell_text(cell) or ""
    try:
        cell.encode()
    except UnicodeEncodeError as error:
        faults[row] = Fault("SFT207", {"found": _broken_letter(cell[error.start], column)})
        return ""
    return cell


def _broken_letter(letter: str, column: str) -> str:
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:  # how reading notes a byte that it cannot decode
        return f"byte 0x{code - 0xDC00:02X} in column {column}"
    return f"half a surrogate pair, U+{code:04X}, in column {column}"


def _rows_where(mask: pa.Array) -> list[int]:
    if not pc.any(mask).as_py():
        return []
    return np.flatnonzero(mask.to_numpy(zero_copy_only=False)).tolist()


def _count_oddities(texts: pa.Array, lines: Sequence[int], tally: FaultTally, *, short: bool) -> None:
    if pc.all(pc.string_is_ascii(texts)).as_py() is False:
        for row in _rows_where(pc.match_substring_regex(texts, _WRONG_ENCODING)):
            tally.add(Fault("SFT226", {"found": _odd_piece(texts[row].as_py())}), lines[row])
    for row in _rows_where(pc.greater(pc.binary_length(texts), LONG_TEXT)) if short else ():
        length = len(texts[row].as_py())
        if length > LONG_TEXT:
            tally.add(Fault("SFT227", {"length": f"{length:,}"}), lines[row])


def _odd_piece(text: str) -> str:
    for mark in ("\ufffd", "Ã", "â€", "Â", "ï»¿"):
        if mark in text:
            at = text.index(mark)
            return f'"{text[max(at - 8, 0) : at + 8]}"'
    return "a letter"


def text_hashes(texts: pa.Array, pairs: pa.Array | None) -> np.ndarray:
    """Returns 64 bits of BLAKE2 of each text (and pair), [n] uint64, the same on every machine."""
    parts = [_slices(texts)] if pairs is None else [_slices(texts), _slices(pairs)]
    if pairs is None:
        digests = b"".join([blake2b(text, digest_size=8).digest() for text in parts[0]])
    else:  # the first text's hash is a fixed width: no two pairs run together the same way
        digests = b"".join(
            [
                blake2b(blake2b(text, digest_size=16).digest() + pair, digest_size=8).digest()
                for text, pair in zip(*parts, strict=True)
            ]
        )
    return np.frombuffer(digests, "<u8").astype(np.uint64, copy=False)


def _slices(texts: pa.Array) -> list[memoryview]:
    """Returns the UTF-8 bytes of each text without copying them."""
    if not len(texts):
        return []
    _, offsets, values = texts.buffers()
    ends = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1].tolist()
    data = memoryview(values) if values is not None else memoryview(b"")
    return [data[begin:end] for begin, end in pairwise(ends)]
