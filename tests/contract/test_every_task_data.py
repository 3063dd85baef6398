"""What is wrong with a task's rows is told with a code, before TensorFlow is loaded; nothing else is ever raised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from every_task import ENTRIES, Entry, Record, written

from sftkeras.command_line import commands
from sftkeras.config import TrainConfig
from sftkeras.data import LabelledData
from sftkeras.errors import SFTError
from sftkeras.pipeline import checks, stages
from sftkeras.tasks import spec_of

Read = Callable[[str, bytes], LabelledData]

WRONG_ROW = 7
FAULTS = [(name, fault) for name, entry in ENTRIES.items() for fault in entry.wrong]
ODD_VALUES = (None, "", " ", "\x00", "\ud83d", True, -1, 1e300, [], [None], [[]], [[0, 1]], {}, {"text": 1})


@cache
def settings(name: str, weights: Path) -> TrainConfig:
    given = {"data.split": "[0.5, 0.25, 0.25]", "backbone.handle": weights, "backbone.max_length": 16}
    given |= ENTRIES[name].task_settings()
    config = commands.parse(TrainConfig, [f"--{setting}={value}" for setting, value in given.items()])
    return spec_of(config.task.kind).with_columns(config)


@pytest.fixture
def read(tmp_path: Path, tiny_bert_folder: Path, tiny_decoder_folder: Path) -> Read:
    """What the command does with rows before it loads TensorFlow."""

    def read(name: str, content: bytes) -> LabelledData:
        file = tmp_path / "data.jsonl"
        file.write_bytes(content)
        config = settings(name, tiny_decoder_folder if ENTRIES[name].weights == "decoder" else tiny_bert_folder)
        config = replace(config, data=replace(config.data, train=str(file)), runs=str(tmp_path))
        config = replace(config, export=replace(config.export, folder=str(tmp_path)))
        checks.check_settings(config)
        return stages.read(config)[1]

    return read


def refusal(read: Read, name: str, content: bytes) -> str:
    with pytest.raises(SFTError) as raised:
        read(name, content)
    return str(raised.value)


def changed(entry: Entry, fields: Record) -> tuple[Record, ...]:
    """The entry's rows, of which one has other fields."""
    rows = list(entry.rows)
    rows[WRONG_ROW] = {**rows[WRONG_ROW], **fields}
    return tuple(rows)


@pytest.mark.parametrize("name", ENTRIES)
def test_rows_as_they_should_be_are_read(read: Read, name: str) -> None:
    entry = ENTRIES[name]
    data = read(name, written(entry.rows))
    assert len(data.examples) == len(entry.rows)
    assert all(len(rows) > 4 for rows in data.splits.values())


@pytest.mark.parametrize(("name", "fault"), FAULTS)
def test_a_wrong_row_is_named_by_its_line(read: Read, name: str, fault: str) -> None:
    fields, code = ENTRIES[name].wrong[fault]
    message = refusal(read, name, written(changed(ENTRIES[name], fields)))
    assert message.startswith(code)
    assert f"line {WRONG_ROW + 1}" in message
    assert "\n" not in message


@pytest.mark.parametrize("name", ENTRIES)
def test_whatever_stands_in_a_field_is_read_or_refused(read: Read, name: str) -> None:
    refusals = []
    for field in ENTRIES[name].rows[0]:
        for value in ODD_VALUES:
            try:
                read(name, written(changed(ENTRIES[name], {field: value})))
            except SFTError as error:
                refusals.append(str(error))
    assert refusals
    assert not [line for line in refusals if "\n" in line]


@pytest.mark.parametrize("name", ENTRIES)
def test_a_field_that_all_rows_lack_is_named(read: Read, name: str) -> None:
    field, *_ = ENTRIES[name].rows[0]
    rows = [{key: value for key, value in row.items() if key != field} | {"other": 1} for row in ENTRIES[name].rows]
    message = refusal(read, name, written(rows))
    assert message.startswith("SFT2")
    assert field in message


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize(("end", "code"), [(0, "SFT202"), (-20, "SFT210")], ids=["empty", "cut off"])
def test_half_a_file_is_refused(read: Read, name: str, end: int, code: str) -> None:
    assert refusal(read, name, written(ENTRIES[name].rows)[:end]).startswith(code)
