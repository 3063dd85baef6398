"""The rows of a record survive a killed process and are cut back to where the run goes on."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as some

from sftkeras.training.resume.record_files import RecordFile

ROWS = [{"loss": 0.1 * number, "examples": number} for number in range(5)]


def written(path: Path) -> RecordFile:
    file = RecordFile(path)
    for row in ROWS:
        file.append(row)
    file.close()
    return file


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    written(tmp_path / "rows")
    assert RecordFile(tmp_path / "rows").read(5) == ROWS
    assert RecordFile(tmp_path / "rows").read(2) == ROWS[:2]
    assert RecordFile(tmp_path / "none").read(2) == []


def test_rows_after_the_cut_are_written_anew(tmp_path: Path) -> None:
    file = written(tmp_path / "rows")
    file.cut(3)
    file.append({"loss": 7.0})
    file.flush()
    assert RecordFile(tmp_path / "rows").read(9) == [*ROWS[:3], {"loss": 7.0}]


@settings(deadline=None)
@given(some.integers(0, 200))
def test_half_a_row_at_the_end_is_none(length: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows"
        written(path)
        whole = path.read_bytes()[:length]
        path.write_bytes(whole)
        assert RecordFile(path).read(5) == ROWS[: whole.count(b"\n")]
