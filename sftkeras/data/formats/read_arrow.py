"""Rows of Parquet files and of Hugging Face data sets, as blocks; lines are row numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sftkeras.data.formats.blocks import BLOCK_BYTES, BLOCK_ROWS, Block, check_columns
from sftkeras.data.formats.sources import Source
from sftkeras.errors import SFTError


def arrow_blocks(source: Source, wanted: Mapping[str, str], *, whole: bool = False) -> Iterator[Block]:
    """Yields the rows of a Parquet file or of a hub data set; as `read_blocks`."""
    return _hub_blocks(source, wanted, whole) if source.hub else _parquet_blocks(source, wanted, whole)


def parquet_columns(source: Source) -> list[str]:
    """Returns the names of the columns; raises SFT202 or SFT213 for a file that is none."""
    with _parquet(source) as file:
        return list(file.schema_arrow.names)


def _parquet(source: Source) -> pq.ParquetFile:
    if not source.file.stat().st_size:
        raise SFTError("SFT202", file=source.name)
    try:
        # Without pre_buffer a row group is read page by page: memory does not depend on how it was written.
        return pq.ParquetFile(source.file, pre_buffer=False, buffer_size=1 << 20)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(source, error) from None


def _unreadable(source: Source, error: Exception) -> SFTError:
    return SFTError("SFT213", file=source.name, problem=str(error).splitlines()[0].rstrip("."))


def _parquet_blocks(source: Source, wanted: Mapping[str, str], whole: bool) -> Iterator[Block]:
    header = parquet_columns(source)
    check_columns(source, header, wanted)
    names = list(dict.fromkeys([*wanted, *header] if whole else wanted))
    with _parquet(source) as file:
        total = file.metadata.num_rows
        if not total:
            raise SFTError("SFT203", file=source.name, what="columns")
        bytes_a_row = sum(_column_bytes(file, names)) // total + 1
        size = max(1, min(BLOCK_ROWS, BLOCK_BYTES // bytes_a_row))
        try:
            yield from _numbered(file.iter_batches(size, columns=names), names, total)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(source, error) from None


def _column_bytes(file: pq.ParquetFile, names: Sequence[str]) -> Iterator[int]:
    for group in range(file.metadata.num_row_groups):
        row_group = file.metadata.row_group(group)
        for index in range(row_group.num_columns):
            column = row_group.column(index)
            if column.path_in_schema.split(".")[0] in names:
                yield column.total_uncompressed_size


def _numbered(batches: Iterator[Any], names: Sequence[str], total: int) -> Iterator[Block]:
    done = 0
    for batch in batches:
        lines = list(range(done + 1, done + batch.num_rows + 1))
        done += batch.num_rows
        yield Block({name: batch.column(name).to_pylist() for name in names}, lines, done=done / total)


def load_hub(source: Source) -> Any:
    """Returns the `datasets.Dataset` of a hub source.

    Raises:
        SFTError: SFT107 without the `datasets` library, SFT234 if the library cannot load it.
    """
    try:
        import datasets
    except ImportError:
        raise SFTError("SFT107", package="datasets", install="'sftkeras[hub]'") from None
    hub = source.hub
    assert hub is not None
    try:
        return datasets.load_dataset(hub.name, hub.config, split=hub.split, revision=hub.revision)
    except Exception as error:  # the library raises dozens of types, its own, its file readers' and its network's
        problem = " ".join(str(error).split()) or type(error).__name__
        raise SFTError("SFT234", flag=source.flag, handle=source.name, problem=problem) from error


def hub_columns(source: Source) -> list[str]:
    """Returns the names of the columns of a hub data set; raises as `load_hub`."""
    return list(load_hub(source).column_names)


def hub_hash(source: Source) -> str:
    """Returns a hash of the content of a hub data set, which the library keeps as Arrow files."""
    digest = hashlib.sha256()
    data = load_hub(source)
    for file in data.cache_files:
        with open(file["filename"], "rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    digest.update(str(len(data)).encode())  # a slice such as train[:10%] shares its files with the whole
    digest.update(f"{source.hub}".encode())
    return digest.hexdigest()


def _hub_blocks(source: Source, wanted: Mapping[str, str], whole: bool) -> Iterator[Block]:
    data = load_hub(source)
    check_columns(source, data.column_names, wanted)
    if not len(data):
        raise SFTError("SFT203", file=source.name, what="columns")
    columns = list(dict.fromkeys([*wanted, *data.column_names] if whole else wanted))
    named = {name: names for name in columns if (names := _names_of(data.features[name]))}
    for block in _numbered(data.with_format("arrow").iter(BLOCK_ROWS // 4), columns, len(data)):
        for column, names in named.items():
            block.columns[column] = [_named(cell, names) for cell in block.columns[column]]
        yield block


def named_classes(table: pa.Table, features: Mapping[str, Any]) -> pa.Table:
    """Returns a table of a data set with the names of classes in place of their numbers."""
    for number, column in enumerate(table.column_names):
        if names := _names_of(features[column]):
            cells = [_named(cell, names) for cell in table.column(column).to_pylist()]
            text = pa.list_(pa.string()) if pa.types.is_list(table.schema.field(number).type) else pa.string()
            table = table.set_column(number, column, pa.array(cells, text))
    return table


def _names_of(feature: Any) -> list[str] | None:
    """The names of a ClassLabel, or of a list of them as the tags of words are; None for anything else."""
    return getattr(getattr(feature, "feature", feature), "names", None)


def _named(cell: Any, names: list[str]) -> Any:
    if isinstance(cell, list):
        return [_named(one, names) for one in cell]
    return None if cell is None or cell < 0 else names[cell]  # -1 is no label
