"""Data as tests of several files read and check it."""

from __future__ import annotations

from typing import Any

import pytest

from sftkeras.config import DataConfig
from sftkeras.data import DataError, Finding, LabelledData, load_data
from sftkeras.data.formats.read import read_blocks, wanted_columns
from sftkeras.data.formats.sources import find_source
from sftkeras.data.labels.classes.kind import ONE_LABEL


def load(train: str, kind: Any = ONE_LABEL, **settings: Any) -> LabelledData:
    return load_data(DataConfig(train=train, **settings), kind, seed=1)


def found_in(data: LabelledData, code: str) -> Finding:
    (found,) = [found for found in data.findings if found.code == code]
    return found


def refusal(*arguments: Any, **settings: Any) -> DataError:
    with pytest.raises(DataError) as raised:
        load(*arguments, **settings)
    return raised.value


def rows_of(path: str, **settings: object) -> list[tuple[object, object, int]]:
    """The text, the label and the line of each row of a file."""
    config = DataConfig(train=path, **settings)  # type: ignore[arg-type]
    rows = []
    for block in read_blocks(find_source(path, "train"), wanted_columns(config), config):
        rows += list(zip(block.columns["text"], block.columns["label"], block.lines, strict=True))
    return rows
