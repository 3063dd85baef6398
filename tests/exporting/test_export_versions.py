from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from sftkeras.errors import SFTError
from sftkeras.exporting.versions import check_writable, draft, find_version, publish


def publish_one(folder: Path) -> Path:
    with draft(folder) as path:
        (path / "saved_model.pb").write_bytes(b"")
        return publish(path)


def test_next_version_follows_the_newest(tmp_path: Path) -> None:
    for name in ("1", "9", "10", "notes", ".11"):
        (tmp_path / name).mkdir()
    assert publish_one(tmp_path) == tmp_path / "11"


def test_two_exports_at_once_get_two_versions(tmp_path: Path) -> None:
    with draft(tmp_path) as first, draft(tmp_path) as second:
        for path in (first, second):
            (path / "saved_model.pb").write_text(path.name)
        assert publish(second).name == "1"
        assert publish(first).name == "2"
    assert (tmp_path / "1" / "saved_model.pb").read_text() == second.name


def test_version_that_appears_in_the_last_moment_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_one(tmp_path)
    seen = [[], [1]]  # the first look comes too early
    monkeypatch.setattr("sftkeras.exporting.versions._versions", lambda folder: seen.pop(0))
    assert publish_one(tmp_path).name == "2"


def test_failed_export_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "saved_models" / "movies"
    with contextlib.suppress(ZeroDivisionError), draft(folder) as path:
        (path / "half").write_text("written")
        1 / 0  # noqa: B018
    assert list(tmp_path.iterdir()) == []


def test_draft_of_a_killed_export_is_swept_and_that_of_a_running_one_is_not(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, sys; from sftkeras.exporting.versions import draft\n"
        "with draft(pathlib.Path(sys.argv[1])) as path: (path / 'half').write_text('x'); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 9
    (killed,) = tmp_path.iterdir()
    with draft(tmp_path) as running:
        assert not killed.exists()
        publish_one(tmp_path)
        assert running.exists()


def test_folder_that_cannot_be_written_is_told_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SFTError, match=r"SFT106 .*--folder"):
        check_writable(tmp_path / "file" / "movies", "--folder")
    check_writable(tmp_path / "movies")
    assert not (tmp_path / "movies").exists()


def test_newest_version_is_found_by_number(tmp_path: Path) -> None:
    for name in ("9", "10"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "saved_model.pb").write_bytes(b"")
    assert find_version(tmp_path) == tmp_path / "10"
    assert find_version(tmp_path / "9") == tmp_path / "9"


def test_wrong_model_folders_are_named(tmp_path: Path) -> None:
    (tmp_path / "movies").mkdir()
    with pytest.raises(SFTError, match="SFT104"):
        find_version("")
    with pytest.raises(SFTError, match=r'SFT501 .*Did you mean "movies"'):
        find_version(tmp_path / "movie")
    with pytest.raises(SFTError, match="SFT502"):
        find_version(tmp_path / "movies")
