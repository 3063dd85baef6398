"""Files are whole or not there, and a place that cannot be written is named with what sets it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from sftkeras.disk.files import land, sha256_of, write_aside, write_errors, write_text
from sftkeras.errors import SFTError


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")

    def half(aside: Path) -> None:
        aside.write_text("ne")
        raise OSError("the cable was pulled")

    with pytest.raises(OSError, match="cable"):
        write_aside(path, half)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]
    write_text(path, "né")
    assert path.read_bytes() == b"n\xc3\xa9"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_landing_replaces_a_folder_or_a_file(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
        (tmp_path / f"{name}.txt").write_text(name)
    land(tmp_path / "new", tmp_path / "old")
    land(tmp_path / "new.txt", tmp_path / "old.txt")
    assert [path.name for path in (tmp_path / "old").iterdir()] == ["new"]
    assert (tmp_path / "old.txt").read_text() == "new"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "SFT108"), (errno.EROFS, "SFT106")])
def test_a_failure_to_write_names_the_folder_and_the_flag(tmp_path: Path, number: int, code: str) -> None:
    with pytest.raises(SFTError) as error, write_errors(tmp_path, "--runs"):
        raise OSError(number, os.strerror(number))
    assert error.value.code == code
    assert str(tmp_path) in str(error.value)
    assert "--runs" in str(error.value)


def test_a_hash_is_that_of_the_contents(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert sha256_of(tmp_path / "file").startswith("ba7816bf")
