"""Rows in memory become files of the cache, named by what is in them; from there on they are read as any file is.

Tables are written as Parquet, block by block; lists, and columns that Arrow has no type for, as JSON Lines.
"""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from sftkeras.disk.cache import VARIABLE, cache_folder, locked
from sftkeras.disk.files import write_errors
from sftkeras.errors import SFTError

PARTS = ("train", "validation", "test")
_BLOCK = 1 << 14  # rows written at once
_PAIR = ("text", "label")  # what the two of a tuple are


def with_rows_as_files(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns keyword settings with files in the place of rows in memory.

    Args:
        settings: `data` may be the rows to train on, or a dictionary with parts and other settings of the data; the
            parts may also stand beside it as `train`, `validation` and `test`.

    Raises:
        SFTError: SFT121 for rows of a kind that is not known, SFT122 for a row that is none.
    """
    given = dict(settings)
    data = given.pop("data", None)
    group = dict(data) if isinstance(data, Mapping) else {} if data is None else {"train": data}
    if data is not None and not isinstance(data, Mapping) and _is_settings(data):
        group = dict(vars(data))
    for part in PARTS:
        for name in (part, f"data.{part}"):
            if name in given:
                group[part] = given.pop(name)
    columns = [str(given.get(f"data.{name}") or group.get(name) or name) for name in _PAIR]
    written = {
        name: [str(file_of(value, name, columns))] if name in PARTS and is_rows(value) else value
        for name, value in group.items()
    }
    return {**given, **({"data": written} if written else {})}


def is_rows(value: Any) -> bool:
    """Whether a value is rows in memory, or anything else that names no file."""
    names = isinstance(value, str | Path) or value is None
    of_names = isinstance(value, list | tuple) and bool(value) and all(isinstance(one, str | Path) for one in value)
    return not names and not of_names


def file_of(rows: Any, part: str, columns: Iterable[str] = _PAIR) -> Path:
    """Writes rows into the cache, if they are not there, and returns the file.

    Args:
        rows: a pandas DataFrame, a Dataset of `datasets`, a pyarrow Table, or a list of dictionaries or pairs.
        part: names the file, and the rows in messages.
        columns: names of the columns of pairs.

    Raises:
        SFTError: SFT121 or SFT122, as `with_rows_as_files`; SFT106 or SFT108 if the cache cannot be written.
    """
    write, ending = _writer(rows, part, tuple(columns))
    folder = cache_folder("memory")
    with write_errors(folder, VARIABLE), tempfile.TemporaryDirectory(dir=folder, prefix=".") as draft:
        path = Path(draft) / f"{part}{ending}"
        write(path)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:32]
        home = folder / digest / path.name
        with locked(home.parent):
            home.parent.mkdir(exist_ok=True)
            if not home.exists():
                path.replace(home)
    return home


def name_of(path: Path) -> str | None:
    """Returns what messages call a file that holds rows of memory; None for any other file."""
    return path.stem if path.stem in PARTS and path.parent.parent == cache_folder("memory") else None


def _writer(rows: Any, part: str, columns: tuple[str, ...]) -> tuple[Callable[[Path], None], str]:
    """Format in which rows are written, and the ending of the file."""
    library = type(rows).__module__.partition(".")[0]
    if library == "pandas" and hasattr(rows, "columns"):
        return _frame_writer(rows)
    if library == "datasets" and hasattr(rows, "with_format"):
        return lambda path: _write_tables(path, _dataset_tables(rows)), ".parquet"
    if library == "pyarrow" and hasattr(rows, "to_batches"):
        return lambda path: _write_tables(path, _table_blocks(rows)), ".parquet"
    if isinstance(rows, list | tuple):
        return lambda path: _write_lines(path, _as_objects(rows, part, columns)), ".jsonl"
    raise SFTError("SFT121", part=part, kind=type(rows).__name__)


def _as_objects(rows: Iterable[Any], part: str, columns: tuple[str, ...]) -> Iterator[Mapping[str, Any]]:
    for number, row in enumerate(rows, 1):
        if isinstance(row, Mapping):
            yield row
        elif isinstance(row, list | tuple) and len(row) == len(columns):
            yield dict(zip(columns, row, strict=True))
        else:
            found = f"of {len(row)} values" if isinstance(row, list | tuple) else f"a {type(row).__name__}"
            expected = "a dictionary by column, or as a pair of text and label"
            raise SFTError("SFT122", part=part, row=number, found=found, expected=expected)


def _write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps({str(name): _plain(value) for name, value in row.items()}) + "\n")


def _plain(value: Any) -> Any:
    """A value as JSON has it: NaN is none, numbers and arrays of NumPy are those of Python."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and math.isnan(value):
        return None
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


# --- tables ---


def _frame_writer(frame: Any) -> tuple[Callable[[Path], None], str]:
    """A DataFrame as Parquet, or as JSON Lines where a column has values of several types, or objects."""
    import pyarrow as pa

    frame = frame.rename(columns=str)
    blocks = (frame.iloc[start : start + _BLOCK] for start in range(0, max(len(frame), 1), _BLOCK))
    if all(dtype.kind in "biuf" or str(dtype).startswith(("string", "str")) for dtype in frame.dtypes):
        schema = pa.Schema.from_pandas(frame, preserve_index=False).remove_metadata()
        tables = (pa.Table.from_pandas(block, schema, preserve_index=False) for block in blocks)
        return lambda path: _write_tables(path, tables), ".parquet"
    names = list(frame.columns)
    rows = (dict(zip(names, row, strict=True)) for block in blocks for row in block.itertuples(index=False, name=None))
    return lambda path: _write_lines(path, (_without_missing(row) for row in rows)), ".jsonl"


def _without_missing(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a DataFrame with None for what pandas has other objects for."""
    return {name: None if type(value).__name__ in ("NAType", "NaTType") else value for name, value in row.items()}


def _table_blocks(table: Any) -> Iterator[Any]:
    import pyarrow as pa

    batches = table.to_batches(max_chunksize=_BLOCK)
    yield from (pa.Table.from_batches([batch]) for batch in batches)
    if not batches:
        yield table


def _dataset_tables(data: Any) -> Iterator[Any]:
    """The blocks of a Dataset, with the names of classes in place of their numbers."""
    from sftkeras.data.formats.read_arrow import named_classes

    for block in data.with_format("arrow").iter(_BLOCK):
        yield named_classes(block, data.features)


def _write_tables(path: Path, tables: Iterable[Any]) -> None:
    import pyarrow.parquet as pq

    tables = iter(tables)
    first = next(tables)
    with pq.ParquetWriter(path, first.schema.remove_metadata()) as writer:
        for table in chain([first], tables):
            writer.write_table(table.replace_schema_metadata(None))


def _is_settings(value: Any) -> bool:
    return hasattr(value, "__dataclass_fields__")
