"""From a file to blocks of rows, whatever its format: cells of the wanted columns and the line each row begins on.

Text formats are read with the standard library, which streams and knows the physical line of every row; Parquet and
the hub with Arrow. What a cell means is no business of the readers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sftkeras.config import DataConfig
from sftkeras.data.formats.blocks import Block
from sftkeras.data.formats.read_csv import csv_blocks, csv_columns
from sftkeras.data.formats.read_json import first_keys, json_blocks
from sftkeras.data.formats.read_lines import text_blocks
from sftkeras.data.formats.sources import Source, words_with_tags


def wanted_columns(config: DataConfig, part: str = "train", *, labelled: bool = True) -> dict[str, str]:
    """Returns the columns that the settings name for a part of the data, each with the setting that names it.

    Args:
        labelled: whether there is a column of labels.
    """
    wanted = {config.text_column: "--data.text"}
    if labelled:
        wanted |= dict.fromkeys(config.label_columns, "--data.label")
    if config.pair:
        wanted[config.pair] = "--data.pair"
    if config.weight and part != "test":  # which is evaluated by its predictions, not by the loss
        wanted.setdefault(config.weight, "--data.weight")
    for column in config.mark:
        wanted.setdefault(column, "--data.mark")
    for column in config.where or {}:
        wanted.setdefault(column, "--data.where")
    return wanted


def read_blocks(
    source: Source, wanted: Mapping[str, str], config: DataConfig, *, whole: bool = False
) -> Iterator[Block]:
    """Yields the rows of a source, block by block.

    Args:
        wanted: the columns to read, each with the setting that names it.
        config: gives delimiter, quoting and encoding.
        whole: also read the columns that are not wanted, as far as the file has some.

    Raises:
        SFTError: SFT202 to SFT205, SFT207 to SFT213, SFT234, SFT235, SFT238, SFT289 to SFT295 for what no row can be
            blamed for.
    """
    match source.format:
        case "csv" | "tsv":
            return csv_blocks(source, wanted, config, whole=whole)
        case "json" | "jsonl":
            return json_blocks(source, wanted, config, whole=whole)
        case "text" if "--data.label" not in wanted.values():
            return text_blocks(source, wanted, config)
        case "conll" | "text":  # words, not texts: the kind of label that is spans reads them
            raise words_with_tags(source)
        case "xlsx":
            from sftkeras.data.formats.read_excel import excel_blocks

            return excel_blocks(source, wanted, config, whole=whole)
        case "parquet" | "hub":
            from sftkeras.data.formats.read_arrow import arrow_blocks  # Arrow takes a tenth of a second to import

            return arrow_blocks(source, wanted, whole=whole)


def column_names(source: Source, config: DataConfig) -> list[str] | None:
    """Returns the columns of a file that names them, as far as its first rows show; None for others."""
    match source.format:
        case "csv" | "tsv":
            return csv_columns(source, config)
        case "json" | "jsonl":
            return first_keys(source, config)
        case "xlsx":
            from sftkeras.data.formats.read_excel import excel_columns

            return excel_columns(source, config)
        case "parquet":
            from sftkeras.data.formats.read_arrow import parquet_columns

            return parquet_columns(source)
        case "hub":
            from sftkeras.data.formats.read_arrow import hub_columns

            return hub_columns(source)
    return None
