"""Records in files: JSON Lines, JSON, CSV, TSV or Parquet, by the ending of the name. Imports no TensorFlow."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from sftkeras.disk.files import write_aside, write_errors
from sftkeras.errors import SFTError
from sftkeras.tasks.predictions import Predictions, Record

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK = 4096  # records


def check_ending(path: Path) -> None:
    """Raises SFT654 if the ending of a name says no format that is written."""
    if path.suffix.lower() not in _WRITERS:
        raise SFTError("SFT654", file=path, known=", ".join(_WRITERS))


def write_records(records: Iterable[Record], path: Path, predictions: Predictions, folder: Path | None = None) -> None:
    """Writes records in the format that the ending says; the file appears whole or not at all.

    Until then it is beside its place, or in `folder`.

    Tables have the keys of the first records as columns, and those that other records of such predictions may have.
    Lists and objects are JSON in the cells of CSV and TSV.

    Raises:
        SFTError: SFT106 or SFT108 if it cannot be written, SFT655 for a record that does not fit a table.
    """
    write = _WRITERS[path.suffix.lower()]
    with write_errors(path, "--output"):
        write_aside(path, lambda aside: write(iter(records), aside, predictions), folder)


def json_line(record: Record) -> str:
    """Returns a record as a line of JSON."""
    return json.dumps(record, ensure_ascii=False, default=str) + "\n"


def _write_text(
    write: Callable[[Iterator[Record], TextIO, Predictions], None],
    records: Iterator[Record],
    path: Path,
    predictions: Predictions,
) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        write(records, file, predictions)


def _write_lines(records: Iterator[Record], file: TextIO, predictions: Predictions) -> None:
    for record in records:
        file.write(json_line(record))


def _write_array(records: Iterator[Record], file: TextIO, predictions: Predictions) -> None:
    before = "[\n"
    for record in records:
        file.write(before + json_line(record).rstrip("\n"))
        before = ",\n"
    file.write("[]\n" if before == "[\n" else "\n]\n")


def _write_table(delimiter: str, records: Iterator[Record], file: TextIO, predictions: Predictions) -> None:
    columns, records = _columns(records, predictions)
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    writer.writerow(columns)
    for number, record in enumerate(records, start=1):
        _check_fits(record, columns, number)
        writer.writerow([_cell(record.get(name)) for name in columns])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _write_parquet(records: Iterator[Record], path: Path, predictions: Predictions) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns, records = _columns(records, predictions)
    block = list(islice(records, _BLOCK))
    schema = pa.schema([(name, _type_of(name, block, predictions)) for name in columns])
    done = 0
    with pq.ParquetWriter(path, schema) as writer:
        while block:
            for number, record in enumerate(block, start=done + 1):
                _check_fits(record, columns, number)
            try:
                writer.write_table(pa.Table.from_pylist(block, schema))
            except (pa.ArrowException, TypeError) as error:
                problem = f"the columns change their type ({str(error).splitlines()[0].rstrip('.')})"
                raise SFTError("SFT655", number=f"{done + 1:,}", problem=problem) from None
            done += len(block)
            block = list(islice(records, _BLOCK))


def _type_of(name: str, records: list[Record], predictions: Predictions) -> pa.DataType:
    """The Arrow type of a column, from its first cells; text where all of them are empty."""
    import pyarrow as pa

    cells = [record.get(name) for record in records]
    may_be_empty = predictions.list_types.get(name)  # all of them, at first
    if may_be_empty and all(cell is None or isinstance(cell, list) for cell in cells):
        return _arrow_type(may_be_empty)
    try:
        found = pa.infer_type(cells)
    except pa.ArrowException as error:
        problem = f"column {name} has cells of several types ({str(error).splitlines()[0].rstrip('.')})"
        raise SFTError("SFT655", number="1", problem=problem) from None
    return pa.string() if pa.types.is_null(found) else found


def _arrow_type(described: Any) -> pa.DataType:
    """The Arrow type of what `Predictions.list_types` describes."""
    import pyarrow as pa

    if isinstance(described, list):
        return pa.list_(_arrow_type(described[0]))
    if isinstance(described, dict):
        return pa.struct([(name, _arrow_type(it)) for name, it in described.items()])
    return {str: pa.string(), float: pa.float64(), int: pa.int64()}[described]


def _columns(records: Iterator[Record], predictions: Predictions) -> tuple[list[str], Iterator[Record]]:
    """The columns of a table, by the first records and what others may have, and all records."""
    first = list(islice(records, _BLOCK))
    columns = dict.fromkeys(name for record in first for name in record)
    if first:
        columns |= dict.fromkeys(predictions.optional_keys)
    return list(columns), chain(first, records)


def _check_fits(record: Record, columns: list[str], number: int) -> None:
    if others := [name for name in record if name not in columns]:
        raise SFTError("SFT655", number=f"{number:,}", problem=f"there is a new column, {others[0]}")


_WRITERS: dict[str, Callable[[Iterator[Record], Path, Predictions], None]] = {
    ".jsonl": partial(_write_text, _write_lines),
    ".ndjson": partial(_write_text, _write_lines),
    ".json": partial(_write_text, _write_array),
    ".csv": partial(_write_text, partial(_write_table, ",")),
    ".tsv": partial(_write_text, partial(_write_table, "\t")),
    ".parquet": _write_parquet,
}
